//! The suite on lines of JSON.

use std::process::ExitCode;

use storage_conformance::FormatSubject;
use storage_format_ndjson::Ndjson;

const RECORDS: [&str; 12] = [
    "{}",
    r#"{"a":1}"#,
    r#"{"large": 123456789012345678901234567890.000000000000000000001e-400, "b": -0.0}"#,
    r#"{"twice":1,"twice":2}"#,
    r#"{"escaped":"\u00e9\ud83d\ude00\/\n","plain":"é😀/"}"#,
    r#" {"spaces" :  [ 1 , 2 ] } "#,
    r#"[[[[[[[[[[[[]]]]]]]]]]]]"#,
    r#""text""#,
    "null",
    r#"{"nothing that JSON is: "#,
    "{\"not UTF-8\":\"\u{ff}\"}",
    r#"{"quotes":"\"{}\" and \\"}"#,
];

fn main() -> ExitCode {
    let refused = ["", " \t", "\r", "{}\r", "{\n}", "\n", "\u{feff}{}"];
    let subject = FormatSubject::new(Ndjson, RECORDS)
        .refuses(refused)
        .reads("\u{feff}{}\n[]", ["{}", "[]"])
        .reads("\u{feff}\u{feff}{}\n", ["\u{feff}{}"])
        .reads("\u{feff}", [""; 0])
        .reads("{}\r\n\r\n \t\r\n[]\r\n", ["{}", "[]"])
        .reads("\n\n\n{}\n\n", ["{}"])
        .reads("{}\r\r\n[]\r", ["{}\r", "[]"]);
    storage_conformance::run_format([subject])
}

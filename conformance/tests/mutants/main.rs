//! Mode `wire` notices mistakes: a backend that makes one fails the cases that are about it.

#[path = "../wire/tiny/mod.rs"]
mod tiny;

use std::process::{Command, ExitCode};

use libtest_mimic::{Arguments, Failed, Trial};

/// A mistake, and the cases that have to fail for it.
const MUTANTS: &[(&str, &[&str])] = &[
    ("trusts-the-range", &["read/READ-4-another-range", "read/READ-4-another-range-on-resume"]),
    ("takes-the-beginning", &["read/READ-4-whole-object-for-a-range", "read/READ-4-whole-object-on-resume"]),
    (
        "fits-the-length",
        &[
            "read/READ-4-a-shorter-body-of-a-range",
            "read/READ-4-a-longer-body-of-a-range",
            "read/READ-4-a-longer-body-on-resume",
        ],
    ),
    ("forgets-the-version", &["read/READ-2-replaced-before-the-rest"]),
    (
        "resets-are-final",
        &[
            "read/READ-1-reset-body-is-continued",
            "read/READ-1-closed-body-is-continued",
            "read/READ-2-deleted-before-the-rest",
            "connection/READ-1-reset-while-reading",
            "connection/ERR-3-idle-connections-that-were-reset",
            "connection/ERR-3-refused-connections",
            "doubt/ERR-3-plain-write-is-repeated",
            "delete/DEL-1-lost-answer-is-no-error",
            "list/LIST-3-lost-page-is-asked-for-again",
        ],
    ),
    (
        "no-token",
        &[
            "doubt/ERR-3-own-create-is-recognised",
            "doubt/ERR-3-own-create-behind-a-gateway",
            "doubt/ERR-3-own-replace-is-recognised",
            "doubt/ERR-3-own-create-in-parts-is-recognised",
        ],
    ),
    ("never-in-doubt", &["delete/DEL-2-lost-answer-of-a-condition-is-in-doubt"]),
    ("creates-blindly", &["doubt/WRITE-4-existence-is-no-proof"]),
    ("retries-below", &["throttle/ERR-3-retries-do-not-multiply"]),
    ("ignores-retry-after", &["throttle/ERR-3-retry-after-is-a-lower-bound"]),
    (
        "expired-is-unavailable",
        &["credentials/ERR-1-expired-before", "credentials/ERR-1-expired-while-reading"],
    ),
    (
        "trusts-200",
        &[
            "refusal/WRITE-2-error-in-the-success-of-a-finish",
            "refusal/WRITE-2-error-in-the-first-success-of-a-finish",
            "refusal/COPY-1-error-in-the-success-of-a-copy",
            "refusal/COPY-1-error-in-the-first-success-of-a-copy",
        ],
    ),
    (
        "swallows-parts",
        &[
            "part/WRITE-5-lost-parts-are-sent-again",
            "part/WRITE-2-part-that-never-arrives-leaves-the-old",
            "part/WRITE-2-expired-credentials-leave-the-old",
            "connection/WRITE-2-reset-while-writing",
        ],
    ),
    ("swallows-writes", &["part/WRITE-2-dropped-connections-leave-the-old", "throttle/ERR-3-a-busy-prefix"]),
    ("cut-page-is-a-page", &["list/LIST-3-broken-page-is-never-short"]),
    (
        "refused-list-is-empty",
        &[
            "list/LIST-3-refused-page-is-no-empty-listing",
            "list/LIST-3-refused-later-page-is-no-end",
            "throttle/ERR-3-storm-passes",
        ],
    ),
    ("total-timeout", &["silence/TIME-1-slow-body-is-no-stall", "silence/TIME-1-slow-consumer-is-no-stall"]),
    (
        "impatient",
        &[
            "silence/TIME-1-stalled-server-times-out",
            "silence/TIME-1-stalled-finish-times-out",
            "silence/TIME-1-stalled-once-is-repeated",
            "silence/TIME-1-stalled-body-is-continued",
            "silence/TIME-1-late-answer-is-taken",
        ],
    ),
];

/// Mistakes of a store that keeps no tokens.
const TOKENLESS: &[(&str, &[&str])] = &[(
    "never-in-doubt",
    &[
        "doubt/ERR-3-create-without-token-is-in-doubt",
        "doubt/ERR-3-lost-finish",
        "doubt/WRITE-4-existence-is-no-proof",
    ],
)];

fn main() -> ExitCode {
    // As a child this program is the suite, on a backend that makes the mistake.
    if std::env::var_os("TINY_MUTANT").is_some() {
        return storage_conformance::run(tiny::subject());
    }
    let mut trials = Vec::new();
    for (variant, mutants) in [("", MUTANTS), ("tokenless", TOKENLESS)] {
        for (mutant, case) in mutants.iter().flat_map(|(m, cases)| cases.iter().map(move |case| (*m, *case)))
        {
            let notice = move || told(variant, mutant, &[case, "--exact"], "0 passed; 1 failed");
            trials.push(Trial::test(format!("{variant}{mutant}/{case}"), notice));
        }
    }
    // Without a mistake the variants pass; the store as it mostly is has the test `wire`.
    let tokenless = || told("tokenless", "", &["doubt/"], "4 passed; 0 failed; 4 ignored");
    trials.push(Trial::test("tokenless/doubt", tokenless));
    let tcp = || told("tcp", "", &["connection/"], "4 passed; 0 failed; 0 ignored");
    trials.push(Trial::test("tcp/connection", tcp));
    let requests = || told("tcp", "", &["list/"], "0 passed; 0 failed; 4 ignored");
    trials.push(Trial::test("tcp/no-requests", requests));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// What the suite tells of cases of mode `wire`.
fn told(variant: &str, mutant: &str, cases: &[&str], expected: &str) -> Result<(), Failed> {
    let mut program = Command::new(std::env::current_exe()?);
    program.env_remove("HAUL_CONFORMANCE_REPORT");
    program.env("TINY_VARIANT", variant).env("TINY_MUTANT", mutant);
    let output = program.arg(format!("wire/{}", cases[0])).args(&cases[1..]).output()?;
    let told = String::from_utf8_lossy(&output.stdout).into_owned();
    if told.contains(expected) { Ok(()) } else { Err(format!("expected {expected}:\n{told}").into()) }
}

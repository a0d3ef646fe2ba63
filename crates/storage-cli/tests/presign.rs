//! `haul presign`. With keys of its own nothing is asked of the service, so that it need not be there.

mod common;

use common::{Ran, Sandbox};

fn store() -> Sandbox {
    let sandbox = Sandbox::new();
    sandbox.put(
        common::CONFIG,
        "[profile.store]\nurl = \"s3://bucket/some\"\nendpoint = \"http://s3.invalid:9\"\naccess_key_id = \"AK\"\n\
         secret_access_key = \"hunter2\"\n",
    );
    sandbox
}

/// Signs, and holds that the secret stays one.
fn presign(args: &[&str]) -> Ran {
    let ran = store().run([&["presign"], args].concat());
    assert!(!format!("{ran:?}").contains("hunter2"), "{ran:?}");
    ran
}

#[test]
fn a_url_names_the_object_and_its_time() {
    let ran = presign(&["store:a b/ü", "--expires", "15m"]).ok().silent();
    let url = ran.out();
    assert!(url.starts_with("http://s3.invalid:9/bucket/some/a%20b/%C3%BC?"), "{url}");
    assert!(url.contains("X-Amz-Expires=900&") && url.contains("X-Amz-Signature="), "{url}");
    assert_eq!(url.lines().count(), 1);
}

#[test]
fn an_hour_is_the_default() {
    assert!(presign(&["store:k"]).ok().out().contains("X-Amz-Expires=3600&"));
}

#[test]
fn methods() {
    for method in ["get", "HEAD", "put", "delete"] {
        let ran = presign(&["store:k", "--method", method, "--json"]).ok();
        assert_eq!(ran.json()[0]["method"], method.to_uppercase());
    }
    presign(&["store:k", "-m", "post"]).ends(2).tells("`post` is none of get, head, put and delete");
}

#[test]
fn a_content_type_has_to_be_sent() {
    let ran = presign(&["store:k", "-m", "put", "--content-type", "text/plain"]).ok();
    assert!(ran.out().contains("X-Amz-SignedHeaders=content-type%3Bhost"), "{ran:?}");
    ran.tells("send with it: content-type: text/plain");
    presign(&["store:k", "--content-type", "text/plain"]).ends(2).tells("goes with PUT");
}

#[test]
fn json() {
    let ran = presign(&["store:k", "-m", "put", "--content-type", "text/plain", "--json"]).ok().silent();
    let [signed] = &ran.json()[..] else { panic!("{ran:?}") };
    assert_eq!(
        (&signed["method"], &signed["headers"]["content-type"]),
        (&"PUT".into(), &"text/plain".into())
    );
    let expires = signed["expires"].as_str().expect("a time");
    assert!(expires.contains('T') && expires.ends_with('Z'), "{expires}");
    assert!(signed["url"].as_str().expect("a URL").contains("/bucket/some/k?"), "{signed}");
}

#[test]
fn wrong_times_are_refused() {
    for time in ["1y", "", "x", "-1", "1.5h"] {
        presign(&["store:k", &format!("--expires={time}")]).ends(2).tells("no time such as 15m");
    }
    for time in ["0", "8d"] {
        presign(&["store:k", "-e", time]).ends(2).tells("1 to 604800 seconds");
    }
    presign(&["store:k", "-e", "7d"]).ok();
}

#[test]
fn a_place_that_signs_nothing_says_so() {
    presign(&["./file"]).ends(2).tells("`./file`").tells("signs no URLs");
    presign(&["memory:///file"]).ends(2).tells("signs no URLs");
}

#[test]
fn an_object_has_to_be_named() {
    presign(&["s3://bucket", "-o", "region=eu-1"]).ends(2).tells("names no object");
    presign(&["stroe:k"]).ends(2).tells("did you mean `store`?");
}

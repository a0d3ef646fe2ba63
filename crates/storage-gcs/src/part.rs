//! Names of objects that hold a part of an upload until they are put together.
//!
//! They lie at the root of the bucket: in a directory, which may hold nothing else, they would make it show.

/// How the names of all parts begin.
pub(crate) const PARTS: &str = ".haul-part-";
/// The user metadata of a part that tells the key it is for.
pub(crate) const KEY: &str = "haul-part-of";

/// The name of one part of an upload.
pub(crate) fn name(upload: &str, number: &str) -> String {
    format!("{PARTS}{upload}-{number}")
}

/// Whether this is the name of a part.
pub(crate) fn is_part(name: &str) -> bool {
    upload_of(name).is_some()
}

/// The upload that the part of this name belongs to.
pub(crate) fn upload_of(name: &str) -> Option<&str> {
    let (upload, number) = name.strip_prefix(PARTS)?.split_once('-')?;
    let is_upload = !upload.is_empty() && upload.bytes().all(|b| b.is_ascii_hexdigit());
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_alphanumeric());
    (is_upload && is_number).then_some(upload)
}

/// The number of the part of this name; none of what several were put together in.
pub(crate) fn number_of(name: &str) -> Option<u64> {
    upload_of(name)?;
    name.rsplit('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::{is_part, name, number_of, upload_of};

    #[test]
    fn parts_have_names_of_their_own() {
        assert_eq!(name("0f", "3"), ".haul-part-0f-3");
        assert_eq!(upload_of(".haul-part-0f-g0n2"), Some("0f"));
        assert_eq!(number_of(".haul-part-0f-13"), Some(13));
        assert_eq!(number_of(".haul-part-0f-g0n2"), None);
        assert!(is_part(".haul-part-0f-1") && !is_part(".haul-part-0f") && !is_part(".haul-part-x y-1"));
        assert!(!is_part("a/.haul-part-0f-1") && !is_part(".haul-part-0f-1/x"));
    }
}

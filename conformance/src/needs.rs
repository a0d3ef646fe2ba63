//! Why a backend cannot run a case.

use storage_core::{Capabilities, Level};

pub(crate) fn versions(can: &Capabilities) -> Option<String> {
    declared(can.versions, "versions")
}

pub(crate) fn user_metadata(can: &Capabilities) -> Option<String> {
    declared(can.user_metadata, "user_metadata")
}

pub(crate) fn content_headers(can: &Capabilities) -> Option<String> {
    declared(can.content_headers, "content_headers")
}

pub(crate) fn set_modified(can: &Capabilities) -> Option<String> {
    declared(can.set_modified, "set_modified")
}

pub(crate) fn unix_attributes(can: &Capabilities) -> Option<String> {
    declared(can.unix_attributes, "unix_attributes")
}

pub(crate) fn symlinks(can: &Capabilities) -> Option<String> {
    declared(can.symlinks, "symlinks")
}

pub(crate) fn directories(can: &Capabilities) -> Option<String> {
    declared(can.directories, "directories")
}

pub(crate) fn cleanup(can: &Capabilities) -> Option<String> {
    declared(can.cleanup, "cleanup")
}

pub(crate) fn signed_urls(can: &Capabilities) -> Option<String> {
    declared(can.signed_urls.is_some(), "signed_urls")
}

pub(crate) fn create_if_absent(can: &Capabilities) -> Option<String> {
    declared(can.create_if_absent.is_supported(), "create_if_absent")
}

pub(crate) fn replace_if_match(can: &Capabilities) -> Option<String> {
    declared(can.replace_if_match.is_supported(), "replace_if_match")
}

pub(crate) fn delete_if_match(can: &Capabilities) -> Option<String> {
    declared(can.delete_if_match.is_supported(), "delete_if_match")
}

pub(crate) fn atomic_publish(can: &Capabilities) -> Option<String> {
    declared(can.publish == Level::Atomic, "publish: atomic")
}

fn declared(has: bool, capability: &str) -> Option<String> {
    (!has).then(|| format!("the backend does not declare `{capability}`"))
}

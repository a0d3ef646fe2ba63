//! Remotes of rclone as profiles, as far as they mean the same.

use storage_core::Options;

use super::file::Profile;

/// What came of one remote.
#[derive(Debug)]
pub(crate) enum Imported {
    /// A profile, and what of the remote has no counterpart.
    Profile(Profile, Vec<String>),
    /// No profile, and why.
    Skipped(String, String),
}

/// One section of the file: a name, and keys with values.
type Section = (String, Vec<(String, String)>);

/// Whether an `rclone.conf` is encrypted: it has no sections then, but one line that says so.
pub(crate) fn is_encrypted(text: &str) -> bool {
    text.lines().any(|line| line.starts_with("RCLONE_ENCRYPT"))
}

/// Reads an `rclone.conf`.
pub(crate) fn import(text: &str) -> Vec<Imported> {
    sections(text).into_iter().map(|(name, keys)| remote(&name, &keys)).collect()
}

fn sections(text: &str) -> Vec<Section> {
    let mut sections: Vec<Section> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['#', ';'])) {
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            sections.push((name.to_owned(), Vec::new()));
        } else if let (Some((_, keys)), Some((key, value))) = (sections.last_mut(), line.split_once('=')) {
            keys.push((key.trim().to_owned(), value.trim().to_owned()));
        }
    }
    sections
}

fn remote(name: &str, keys: &[(String, String)]) -> Imported {
    let skip = |why: &str| Imported::Skipped(name.to_owned(), why.to_owned());
    let kind = keys.iter().find(|(key, _)| key == "type").map_or("", |(_, kind)| kind.as_str());
    let translate: fn(&str, &str) -> Option<Translated> = match kind {
        "azureblob" => azure,
        "google cloud storage" => gcs,
        "s3" => s3,
        "sftp" => sftp,
        "local" => |_, _| Some(Translated::Nothing),
        "" => return skip("it has no type"),
        other => return skip(&format!("rclone's `{other}` has no counterpart here")),
    };
    let url = match kind {
        "azureblob" => "az://".to_owned(),
        "google cloud storage" => "gs://".to_owned(),
        "s3" => "s3://".to_owned(),
        "sftp" => sftp_url(keys),
        _ => "/".to_owned(),
    };
    let mut profile = Profile {
        name: name.replace(|c: char| !(c.is_ascii_alphanumeric() || c == '-' || c == '_'), "-"),
        url,
        expand: false,
        options: Options::new(),
        names: Vec::new(),
    };
    let mut lost = Vec::new();
    for (key, value) in keys.iter().filter(|(key, value)| key != "type" && !value.is_empty()) {
        match translate(key, value) {
            Some(Translated::Option(name, value)) => {
                profile.options = profile.options.set(name, value);
                profile.names.push(name.to_owned());
            }
            Some(Translated::Nothing) => {}
            None => lost.push(key.clone()),
        }
    }
    Imported::Profile(profile, lost)
}

/// What a key of rclone is here.
enum Translated {
    Option(&'static str, String),
    /// What happens anyway, or stands in the URL.
    Nothing,
}

fn s3(key: &str, value: &str) -> Option<Translated> {
    let same = |name| Some(Translated::Option(name, value.to_owned()));
    match key {
        "access_key_id" => same("access_key_id"),
        "secret_access_key" => same("secret_access_key"),
        "session_token" => same("session_token"),
        "region" => same("region"),
        // rclone takes a bare host.
        "endpoint" if !value.contains("://") => {
            Some(Translated::Option("endpoint", format!("https://{value}")))
        }
        "endpoint" => same("endpoint"),
        "profile" => same("profile"),
        "storage_class" => same("storage_class"),
        "force_path_style" => same("path_style"),
        "server_side_encryption" => same("encryption"),
        "sse_kms_key_id" => same("kms_key_id"),
        "sse_customer_key_base64" => same("customer_key"),
        "provider" | "env_auth" | "acl" | "location_constraint" | "bucket_acl" => Some(Translated::Nothing),
        _ => None,
    }
}

fn azure(key: &str, value: &str) -> Option<Translated> {
    let same = |name| Some(Translated::Option(name, value.to_owned()));
    match key {
        "account" => same("account"),
        "key" => same("account_key"),
        "connection_string" => same("connection_string"),
        "endpoint" => same("endpoint"),
        "tenant" => same("tenant_id"),
        "client_id" | "msi_client_id" => same("client_id"),
        "client_secret" => same("client_secret"),
        "access_tier" => same("access_tier"),
        "use_msi" if value == "true" => Some(Translated::Option("identity", "managed".to_owned())),
        "use_az" if value == "true" => Some(Translated::Option("identity", "cli".to_owned())),
        "delete_snapshots" => Some(Translated::Option("delete_snapshots", "true".to_owned())),
        "env_auth" | "use_msi" | "use_az" | "public_access" => Some(Translated::Nothing),
        _ => None,
    }
}

fn gcs(key: &str, value: &str) -> Option<Translated> {
    let same = |name| Some(Translated::Option(name, value.to_owned()));
    match key {
        "service_account_file" => same("credentials_file"),
        "service_account_credentials" => same("credentials"),
        "anonymous" => same("anonymous"),
        "user_project" => same("user_project"),
        "object_acl" => same("predefined_acl"),
        "storage_class" => same("storage_class"),
        "endpoint" => same("endpoint"),
        "project_number" | "bucket_acl" | "bucket_policy_only" | "location" | "env_auth" => {
            Some(Translated::Nothing)
        }
        _ => None,
    }
}

fn sftp(key: &str, _: &str) -> Option<Translated> {
    // Keys and agents are found by the system's ssh, as its own configuration says.
    matches!(key, "host" | "user" | "port" | "shell_type" | "md5sum_command" | "sha1sum_command")
        .then_some(Translated::Nothing)
}

fn sftp_url(keys: &[(String, String)]) -> String {
    let get = |name: &str| keys.iter().find(|(key, value)| key == name && !value.is_empty()).map(|(_, v)| v);
    let user = get("user").map_or_else(String::new, |user| format!("{user}@"));
    let port = get("port").map_or_else(String::new, |port| format!(":{port}"));
    format!("sftp://{user}{}{port}/~/", get("host").map_or("", String::as_str))
}

#[cfg(test)]
mod tests {
    use super::{Imported, import};

    #[test]
    fn remotes() {
        let text = "# mine\n[store]\ntype = s3\nprovider = Minio\naccess_key_id = AK\nsecret_access_key = hunter2\n\
                    endpoint = minio.example.org\nchunk_size = 5M\n\n[box]\ntype = sftp\nhost = h\nuser = u\nport = 22\n\
                    [drive]\ntype = drive\n[cloud]\ntype = google cloud storage\nservice_account_file = /k.json\n\
                    bucket_policy_only = true\ntoken = {\"access_token\":\"hunter2\"}\n[blob]\n\
                    type = azureblob\naccount = me\nkey = hunter2\nsas_url = hunter2\n";
        let found = import(text);
        let Imported::Profile(store, lost) = &found[0] else { panic!("{found:?}") };
        assert_eq!(
            (store.url.as_str(), store.options.get("endpoint")),
            ("s3://", Some("https://minio.example.org"))
        );
        assert_eq!(lost, &["chunk_size"]);
        let Imported::Profile(sftp, lost) = &found[1] else { panic!("{found:?}") };
        assert_eq!((sftp.url.as_str(), lost.len()), ("sftp://u@h:22/~/", 0));
        assert!(
            matches!(&found[2], Imported::Skipped(name, why) if name == "drive" && why.contains("drive"))
        );
        let Imported::Profile(cloud, lost) = &found[3] else { panic!("{found:?}") };
        assert_eq!((cloud.url.as_str(), cloud.options.get("credentials_file")), ("gs://", Some("/k.json")));
        assert_eq!(lost, &["token"]);
        let Imported::Profile(blob, lost) = &found[4] else { panic!("{found:?}") };
        assert_eq!((blob.url.as_str(), blob.options.get("account")), ("az://", Some("me")));
        assert_eq!(lost, &["sas_url"]);
        assert!(!format!("{found:?}").contains("hunter2"));
    }
}

//! `haul presign`

use serde_json::json;
use storage_core::{SignRequest, Version};

use crate::args::Presign;
use crate::exit::Failure;
use crate::output::Output;
use crate::place::{How, Place};
use crate::show;

pub(crate) async fn presign(args: Presign, output: &mut Output) -> Result<(), Failure> {
    let place = Place::parse(&args.place)?;
    let (store, key) = place.open_object(How::default()).await?;
    let mut request = SignRequest::new(args.method, args.expires);
    if let Some(version) = args.version {
        request = request.version(Version::new(version));
    }
    if let Some(content_type) = args.content_type {
        request = request.content_type(content_type);
    }
    let signed = store.presign(&key, request).await.map_err(|e| e.renamed(place.shown()))?;
    if output.json {
        let headers: serde_json::Map<String, serde_json::Value> =
            signed.headers.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        output.object(&json!({
            "method": signed.method.as_str(), "url": signed.url.reveal(), "headers": headers,
            "expires": show::time_exact(signed.expires),
        }))?;
        return Ok(());
    }
    output.line(signed.url.reveal())?;
    for (name, value) in &signed.headers {
        output.note(&format!("send with it: {name}: {value}"));
    }
    Ok(())
}

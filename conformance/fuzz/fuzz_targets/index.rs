//! Anything as an index, and as members that tell how long they are.
#![no_main]

use libfuzzer_sys::fuzz_target;
use storage_codec_gzip::Gzip;
use storage_codec_zstd::Zstd;
use storage_core::codec::{Codec, Index, Tail, Walk};

fuzz_target!(|data: &[u8]| {
    if let Ok(Tail::Index(members, length)) = Zstd.find_index(data) {
        assert!(length <= data.len() as u64);
        let again = Zstd.index(&members).expect("as many as it held");
        assert!(Index::of_members(&members).places().len() == members.len() && again.len() <= data.len());
    }
    if let Ok(places) = Gzip.read_index_beside(data) {
        assert_eq!(places.len(), data.len() / 16 + 1);
        let _ = Index::of_places(places);
    }
    for codec in [&Gzip as &dyn Codec, &Zstd] {
        let mut from = 0;
        while let Walk::On(place) = codec.walk(data, from) {
            if place <= from || place >= data.len() {
                break;
            }
            from = place;
        }
    }
});

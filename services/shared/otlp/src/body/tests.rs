use std::io::Write;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use proptest::prelude::*;
use proto::json::COLLECTOR_METRICS_EXPORT_METRICS_SERVICE_REQUEST as TABLE;
use proto::opentelemetry::proto::collector::metrics::v1::ExportMetricsServiceRequest as Request;
use tenancy::{Budget, Reservation};

use super::{BodyError, Compression, Encoding, Format};

fn memory() -> Reservation {
    Budget::process("test", None).reserve(0).expect("no limit")
}

fn format(kind: &'static str, encoding: &'static str) -> Result<Format, BodyError> {
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static(kind));
    if !encoding.is_empty() {
        headers.insert("content-encoding", HeaderValue::from_static(encoding));
    }
    Format::of(&headers)
}

fn gzip(bytes: &[u8]) -> Bytes {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(bytes).expect("memory takes everything");
    encoder.finish().expect("memory takes everything").into()
}

fn zstd(bytes: &[u8]) -> Bytes {
    zstd::stream::encode_all(bytes, 1).expect("memory takes everything").into()
}

#[test]
fn headers_say_what_a_body_is() {
    assert_eq!(format("application/json; charset=utf-8", "GZIP").expect("known").compression, Compression::Gzip);
    assert_eq!(
        format("application/x-protobuf", "").expect("known"),
        Format { encoding: Encoding::Protobuf, compression: Compression::None }
    );
    assert_eq!(
        format("text/plain", "").expect_err("unknown").to_string(),
        "unsupported content type: text/plain, supported: [application/json, application/x-protobuf]"
    );
    assert!(format("application/json", "br").expect_err("unknown").to_string().starts_with("unsupported compression: br."));
    assert!(Format::of(&HeaderMap::new()).is_err());
}

#[test]
fn a_body_is_decompressed_and_decoded() {
    let text = br#"{"resourceMetrics": [{"schemaUrl": "x"}]}"#;
    for (compression, body) in
        [(Compression::None, Bytes::from_static(text)), (Compression::Gzip, gzip(text)), (Compression::Zstd, zstd(text))]
    {
        let format = Format { encoding: Encoding::Json, compression };
        let request: Request = format.decode(body, 1000, &mut memory(), &TABLE).expect("a good request");
        assert_eq!(request.resource_metrics[0].schema_url, "x");
    }
}

#[test]
fn what_grows_too_large_is_refused() {
    let zeros = vec![0; 3 << 20];
    for (compression, body) in [(Compression::Gzip, gzip(&zeros)), (Compression::Zstd, zstd(&zeros))] {
        let fits = compression.decompress(body.clone(), zeros.len(), &mut memory()).expect("just fits");
        assert_eq!(fits.len(), zeros.len());
        let refused = compression.decompress(body.clone(), zeros.len() - 1, &mut memory());
        assert!(matches!(refused, Err(BodyError::TooLarge { .. })), "{compression}");
        let mut little = Budget::process("test", Some(1 << 20)).reserve(0).expect("nothing yet");
        assert!(matches!(compression.decompress(body, zeros.len(), &mut little), Err(BodyError::Busy(_))), "{compression}");
    }
}

proptest! {
    #[test]
    fn garbage_is_an_error_or_a_message(bytes in prop::collection::vec(any::<u8>(), 0..200), packed: bool) {
        for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
            for encoding in [Encoding::Protobuf, Encoding::Json] {
                let body: Bytes = match compression {
                    Compression::Gzip if packed => gzip(&bytes),
                    Compression::Zstd if packed => zstd(&bytes),
                    _ => bytes.clone().into(),
                };
                // Nothing to assert: it must not panic.
                let _ = Format { encoding, compression }.decode::<Request>(body, 1 << 16, &mut memory(), &TABLE);
            }
        }
    }
}

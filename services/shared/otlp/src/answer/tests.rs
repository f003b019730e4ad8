use http::StatusCode;
use http_body_util::BodyExt;
use prost::Message;
use proto::google::rpc::{RetryInfo, Status};
use tonic::Code;

use super::Refusal;
use crate::Encoding;

async fn body(refusal: &Refusal, encoding: Encoding) -> (u16, String, Vec<u8>) {
    let response = refusal.response(Some(encoding));
    let kind = response.headers()["content-type"].to_str().expect("ASCII").to_owned();
    let status = response.status().as_u16();
    (status, kind, response.into_body().collect().await.expect("it is whole").to_bytes().to_vec())
}

#[tokio::test]
async fn a_refusal_is_a_status_in_the_encoding_of_the_request() {
    let refusal = Refusal { retry_after: Some(7), ..Refusal::new(StatusCode::TOO_MANY_REQUESTS, "too much") };
    let (status, kind, bytes) = body(&refusal, Encoding::Protobuf).await;
    assert_eq!((status, kind.as_str()), (429, "application/x-protobuf"));
    assert_eq!(
        Status::decode(bytes.as_slice()).expect("protobuf"),
        Status { code: 8, message: "too much".to_owned(), details: Vec::new() }
    );
    let (_, kind, bytes) = body(&refusal, Encoding::Json).await;
    assert_eq!((kind.as_str(), bytes.as_slice()), ("application/json", br#"{"code":8,"message":"too much"}"#.as_slice()));
    assert_eq!(refusal.response(None).headers()["retry-after"], "7");
    let details = Status::decode(refusal.grpc().details()).expect("protobuf").details;
    assert_eq!(RetryInfo::decode(details[0].value.clone()).expect("protobuf").retry_delay.map(|delay| delay.seconds), Some(7));
}

#[test]
fn failures_of_the_server_are_sent_so_that_clients_come_again() {
    for (status, sent, code) in [
        (500, 503, Code::Internal),
        (501, 503, Code::Unimplemented),
        (502, 502, Code::Unavailable),
        (504, 504, Code::Unavailable),
        (400, 400, Code::InvalidArgument),
        (413, 413, Code::InvalidArgument),
        (202, 202, Code::AlreadyExists),
    ] {
        let refusal = Refusal::new(StatusCode::from_u16(status).expect("a status"), "");
        assert_eq!((refusal.sent_status().as_u16(), refusal.code()), (sent, code));
        assert_eq!(refusal.grpc().code() == Code::Unavailable, status >= 500);
    }
}

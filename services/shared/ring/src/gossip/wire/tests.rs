use proptest::prelude::*;

use super::*;

fn address() -> SocketAddr {
    "10.0.0.1:7946".parse().unwrap()
}

#[test]
fn a_frame_says_who_sent_it() {
    let frame = frame(address(), &ChitchatMessage::BadCluster);
    assert_eq!(frame[..4], (u32::try_from(frame.len()).unwrap() - 4).to_be_bytes());
    assert_eq!(parse(&frame[4..]).unwrap(), (address(), ChitchatMessage::BadCluster));
}

#[tokio::test]
async fn messages_arrive_and_garbage_ends_only_its_connection() {
    let tasks = Tasks::default();
    let open = async || {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let at = listener.local_addr().unwrap();
        let wire = Wire::new(listener, at, None, tasks.clone(), GossipMetrics::default());
        let socket = wire.open(at).await.unwrap();
        assert!(wire.open(at).await.is_err(), "the listener is taken");
        (at, socket)
    };
    let ((a_at, mut a), (b_at, mut b)) = (open().await, open().await);
    let mut stranger = TcpStream::connect(b_at).await.unwrap();
    stranger.write_all(&[0xff; 64]).await.unwrap();
    a.send(b_at, ChitchatMessage::BadCluster).await.unwrap();
    assert_eq!(b.recv().await.unwrap(), (a_at, ChitchatMessage::BadCluster));
    b.send(a_at, ChitchatMessage::BadCluster).await.unwrap();
    assert_eq!(a.recv().await.unwrap(), (b_at, ChitchatMessage::BadCluster));
    assert_eq!(stranger.read(&mut [0; 8]).await.unwrap_or(0), 0, "garbage is not answered");
    tasks.stop(Duration::from_secs(5)).await.unwrap();
}

proptest! {
    #[test]
    fn any_frame_is_refused_or_read(content in prop::collection::vec(any::<u8>(), 0..300)) {
        let _ = parse(&content);
    }

    #[test]
    fn a_broken_frame_is_refused_or_read(at in 0usize..40, bit in 0u8..8) {
        let frame = frame(address(), &ChitchatMessage::BadCluster);
        let mut content = frame[4..].to_vec();
        let len = content.len();
        content[at % len] ^= 1 << bit;
        let _ = parse(&content);
        let _ = parse(&content[..at % len]);
    }
}

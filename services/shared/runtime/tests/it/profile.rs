use std::sync::atomic::{AtomicBool, Ordering};

use runtime::App;

use super::{client, get};

/// Keeps a thread busy until told to stop.
#[inline(never)]
fn turn_the_mill(stop: &AtomicBool) {
    let mut grain = 1_u64;
    while !stop.load(Ordering::Relaxed) {
        for _ in 0..10_000 {
            grain = std::hint::black_box(grain.rotate_left(7) ^ 0x9e37_79b9);
        }
    }
}

/// One test, since a process takes one profile at a time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_busy_function_is_seen_by_its_name() {
    let running = App::for_test("test").await.unwrap().serve().await;
    let stop = AtomicBool::new(false);
    let handle = tokio::runtime::Handle::current();
    std::thread::scope(|scope| {
        std::thread::Builder::new().name("mill".to_owned()).spawn_scoped(scope, || turn_the_mill(&stop)).unwrap();
        let seen = tokio::task::block_in_place(|| {
            handle.block_on(async {
                let taking = async { tokio::join!(get(&running, "/debug/profile?seconds=2"), get(&running, "/debug/profile?seconds=2")) };
                let (one, other) = taking.await;
                let file = client().get(format!("http://{}/debug/pprof/profile?seconds=1", running.http)).send().await.unwrap();
                (one, other, file.bytes().await.unwrap())
            })
        });
        stop.store(true, Ordering::Relaxed);
        let ((status, svg), (refused, why), file) = seen;
        let (status, svg, refused, why) = if status == 200 { (status, svg, refused, why) } else { (refused, why, status, svg) };
        assert_eq!((status, refused), (200, 409), "{why}");
        assert!(svg.contains("turn_the_mill") && svg.contains("<title>mill: "), "{svg}");
        assert!(svg.ends_with("</svg>\n") && !svg.contains("backtrace::backtrace"), "{svg}");
        assert_eq!(file[..2], [0x1f, 0x8b], "gzip");
    });
    for wrong in ["seconds=0", "seconds=61", "frequency=0", "frequency=1001", "seconds=soon"] {
        assert_eq!(get(&running, &format!("/debug/profile?{wrong}")).await.0, 400, "{wrong}");
    }
}

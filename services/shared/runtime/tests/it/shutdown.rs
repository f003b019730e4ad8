use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::routing::get;
use futures::future::BoxFuture;
use runtime::app::Ended;
use runtime::config::HumanDuration;
use runtime::grpc::{Channels, ClientConfig};
use runtime::{App, Role, StopError};
use tokio::sync::Notify;

use super::grpc::{Echo, call};
use super::{client, get as page};

struct Witness(Arc<AtomicBool>);

impl Role for Witness {
    fn stop(self: Box<Self>) -> BoxFuture<'static, Result<(), StopError>> {
        Box::pin(async move {
            self.0.store(true, Ordering::SeqCst);
            Ok(())
        })
    }
}

/// A route that says when it was entered, and answers when it is let go.
fn slow() -> (Router, Arc<Notify>, Arc<Notify>) {
    let (entered, go) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
    let (entered_in, go_in) = (entered.clone(), go.clone());
    let handler = move || async move {
        entered_in.notify_one();
        go_in.notified().await;
        "done"
    };
    (Router::new().route("/slow", get(handler)), entered, go)
}

#[tokio::test]
async fn requests_in_flight_finish_before_the_role_stops() {
    let (routes, entered, go) = slow();
    let mut app = App::for_test("test").await.unwrap();
    app.http.main(routes);
    let draining = app.draining();
    let running = app.serve().await;
    running.ready();
    let http = running.http;
    let request = tokio::time::timeout(Duration::from_secs(20), client().get(format!("http://{http}/slow")).send());
    let stopped = Arc::new(AtomicBool::new(false));
    let stop = async {
        entered.notified().await;
        let stopping = running.stop_role(Witness(stopped.clone()));
        let meanwhile = async {
            draining.cancelled().await;
            // The listener is dropped by its task, which the same cancellation wakes.
            while tokio::net::TcpStream::connect(http).await.is_ok() {
                tokio::task::yield_now().await;
            }
            assert!(!stopped.load(Ordering::SeqCst));
            go.notify_one();
        };
        futures::join!(stopping, meanwhile).0
    };
    let (answer, outcome) = futures::join!(request, stop);
    assert_eq!(answer.unwrap().unwrap().text().await.unwrap(), "done");
    outcome.unwrap();
    assert!(stopped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn calls_are_taken_until_the_last_request_has_ended() {
    let (routes, entered, go) = slow();
    let mut app = App::for_test("test").await.unwrap();
    app.http.main(routes);
    app.grpc.add(Echo);
    let (draining, draining_calls) = (app.draining(), app.draining_calls());
    let running = app.serve().await;
    running.ready();
    let (http, grpc) = (running.http, running.grpc);
    let request = client().get(format!("http://{http}/slow")).send();
    let channels = Channels::new(&ClientConfig::default()).unwrap();
    let stop = async {
        entered.notified().await;
        let meanwhile = async {
            draining.cancelled().await;
            // A request that is under way may need answers of other processes.
            assert_eq!(call(&channels, &grpc.to_string(), "/test.Echo/Good").await.unwrap(), "0");
            assert!(!draining_calls.is_cancelled());
            go.notify_one();
        };
        futures::join!(running.stop(), meanwhile).0
    };
    let (answer, outcome) = futures::join!(request, stop);
    assert_eq!(answer.unwrap().text().await.unwrap(), "done");
    outcome.unwrap();
    assert!(draining_calls.is_cancelled());
}

#[tokio::test]
async fn a_request_that_does_not_end_is_left_behind_and_said_so() {
    let (routes, entered, _go) = slow();
    let mut app = App::for_test("test").await.unwrap();
    app.http.main(routes);
    app.server.shutdown_grace = HumanDuration::from_millis(50);
    let running = app.serve().await;
    let http = running.http;
    let stopped = Arc::new(AtomicBool::new(false));
    let request = client().get(format!("http://{http}/slow")).send();
    let stop = async {
        entered.notified().await;
        running.stop_role(Witness(stopped.clone())).await
    };
    tokio::select! {
        _ = request => panic!("nothing answers"),
        outcome = stop => assert!(matches!(outcome, Err(StopError::Requests(_))), "{outcome:?}"),
    }
    assert!(stopped.load(Ordering::SeqCst));
}

#[tokio::test]
async fn readiness_fails_while_the_drain_is_delayed() {
    let mut app = App::for_test("test").await.unwrap();
    app.server.drain_delay = HumanDuration::from_millis(300);
    let readiness = app.readiness.clone();
    let running = app.serve().await;
    running.ready();
    assert_eq!(page(&running, "/ready").await, (200, "ready".to_owned()));
    let http = running.http;
    let asked = async {
        while readiness.get().is_ok() {
            tokio::task::yield_now().await;
        }
        client().get(format!("http://{http}/ready")).send().await.unwrap()
    };
    let (stopped, response) = futures::join!(running.stop(), asked);
    stopped.unwrap();
    assert_eq!(response.status(), 503);
    assert_eq!(response.text().await.unwrap(), "Some services are not Running:\nStopping: 1\nthe process is stopping\n");
}

#[tokio::test]
async fn a_process_ends_when_asked_or_when_a_task_fails() {
    let app = App::for_test("test").await.unwrap();
    let shutdown = app.shutdown();
    let running = app.serve().await;
    shutdown.cancel();
    assert_eq!(running.ended().await, Ended::Asked);

    let app = App::for_test("test").await.unwrap();
    app.tasks.spawn("fails", async { Err(std::io::Error::other("on purpose")) });
    let running = app.serve().await;
    assert_eq!(running.ended().await, Ended::TaskFailed);
}

#[tokio::test]
async fn shutdown_by_http_is_off_unless_enabled() {
    let post = async |http: std::net::SocketAddr| client().post(format!("http://{http}/shutdown")).send().await.unwrap().status();
    let off = super::serving(Router::new()).await;
    assert_eq!(post(off.http).await, 404);
    let mut config = super::Config::default();
    config.server.shutdown_endpoint = true;
    let on = super::bound(&config).await.serve().await;
    assert_eq!(post(on.http).await, 204);
    assert_eq!(on.ended().await, Ended::Asked);
}

//! What a child asks, and how that ends.

use serde_json::json;

use crate::stage::{Ponderer, Stage, fixture, request, text, until};

/// T33: a child that goes on without the answer to its question gets none later
#[tokio::test]
async fn a_question_ends_with_the_call_that_it_was_asked_in() {
    let (stage, ponderer) = (Stage::new(), Ponderer::new());
    let endpoint = fixture("leaving", "sessions");
    for _ in 0..4 {
        let asking = request("ask_and_leave", &json!({})).telling(ponderer.clone());
        assert_eq!(text(&stage.send(&endpoint, asking).await.unwrap()), "gone");
        // Whoever was asked knows by now.
        stage.call(&endpoint, "echo", &json!({})).await.unwrap();
        until("nobody is asked any more", || ponderer.open() == 0).await;
    }
    stage.pool.end_all().await;
}

/// T24, T33: a call that is given up takes its questions along, so that there is room for those of others
#[tokio::test]
async fn calls_that_were_given_up_leave_no_questions() {
    let (stage, ponderer) = (Stage::new(), Ponderer::new());
    let endpoint = fixture("given-up", "sessions");
    let first = stage.child(&endpoint).await;
    for _ in 0..20 {
        let asking = request("test_elicitation", &json!({"message": "m"})).telling(ponderer.clone());
        tokio::select! {
            answered = stage.send(&endpoint, asking) => panic!("nobody answered: {answered:?}"),
            () = until("it is asked", || ponderer.open() == 1) => {}
        }
        until("nobody is asked any more", || ponderer.open() == 0).await;
    }
    assert_eq!(stage.child(&endpoint).await, first);
    stage.pool.end_all().await;
}

/// T24: what is asked beyond the bound is refused by itself: neither the call nor the child ends with it
#[tokio::test]
async fn a_question_too_many_is_refused_and_ends_nothing() {
    let (stage, ponderer) = (Stage::new(), Ponderer::new());
    let endpoint = fixture("many", "sessions");
    let first = stage.child(&endpoint).await;
    let asking = request("ask_at_once", &json!({"count": 40})).telling(ponderer.clone());
    let answering = async {
        until("those beyond the bound are refused", || ponderer.heard() == 24).await;
        assert_eq!(ponderer.open(), 16);
        ponderer.answer();
    };
    let (answered, ()) = tokio::join!(stage.send(&endpoint, asking), answering);
    assert_eq!(text(&answered.unwrap()), "24");
    assert_eq!(stage.child(&endpoint).await, first);
    stage.pool.end_all().await;
}

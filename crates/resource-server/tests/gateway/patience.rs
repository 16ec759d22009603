//! Waiting for what other tasks bring about: looked at again and again, and given up after five seconds.

use std::time::Duration;

/// Waits until something is so.
pub(crate) async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    until_it_is(what, async || is_so()).await;
}

/// The same of what has to be asked for.
pub(crate) async fn until_it_is(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    for _ in 0..500 {
        if is_so().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("it never came true: {what}");
}

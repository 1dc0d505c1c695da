//! Who sends a request is asked once more when its body is there.
//!
//! A body may take its time, and what is revoked meanwhile is believed no more. So a body ends only for a caller that
//! is still believed and has lost no right: no handler acts before that is known, and none has to think of it.
//!
//! It does not know what a body is, nor what is done with it.

use std::{
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use axum::body::Body;
use backplane_auth::{Access, Principal};
use bytes::Bytes;
use http::{HeaderMap, header::AUTHORIZATION};
use http_body::{Body as _, Frame, SizeHint};
use tokio::sync::oneshot;

use crate::{
    app::App,
    identity::challenge,
    problem::{ApiError, ApiResult, Chain},
};

/// How a request was let in, to ask again.
#[derive(Clone)]
pub(crate) struct SecondLook {
    app: Arc<App>,
    /// Nothing of the head but this.
    credential: HeaderMap,
    access: Access,
    /// As it was at first.
    caller: Arc<Principal>,
}

impl SecondLook {
    /// Remembers that `caller` was let in with these headers where `access` is asked for.
    pub(crate) fn new(app: &Arc<App>, headers: &HeaderMap, access: Access, caller: &Arc<Principal>) -> Self {
        let lines = headers.get_all(AUTHORIZATION).iter();
        let credential = lines.map(|line| (AUTHORIZATION, line.clone())).collect();
        Self { app: Arc::clone(app), credential, access, caller: Arc::clone(caller) }
    }

    /// Asks who calls, and whether they still may.
    ///
    /// # Errors
    /// As at first, and `forbidden` where a role or a scope is gone: what goes on does so with those that there were.
    pub(crate) async fn require_still(&self) -> ApiResult<()> {
        let caller = self.app.identity.authenticate(&self.credential, self.app.clock.unix_ms()).await?;
        challenge::require(&self.access, caller.as_deref())?;
        let has_all = |now: &Principal| {
            self.caller.roles().is_subset(now.roles()) && self.caller.scopes().is_subset(now.scopes())
        };
        match caller.as_deref().is_some_and(has_all) {
            true => Ok(()),
            false => Err(challenge::forbidden("a role or scope was lost while the request came: send it again")),
        }
    }

    /// Takes the look before `body` ends. Where it refuses, the body is broken off, and the reason is in the channel.
    pub(crate) fn take_at_the_end_of(self, body: &mut Body) -> oneshot::Receiver<ApiError> {
        let (tell, refused) = oneshot::channel();
        // What does not come takes no time.
        if !body.is_end_stream() {
            let look = async move {
                match self.require_still().await {
                    Ok(()) => true,
                    Err(refusal) => {
                        let _gone = tell.send(refusal);
                        false
                    }
                }
            };
            *body = Body::new(Held::new(std::mem::take(body), look));
        }
        refused
    }
}

/// A body that ends for a caller that is still believed, and for no other.
struct Held {
    inner: Body,
    /// Whether all but the end was handed on.
    is_read: bool,
    /// What stands behind the body.
    trailers: Option<Frame<Bytes>>,
    /// Says whether the caller is believed.
    look: Pin<Box<dyn Future<Output = bool> + Send>>,
    /// What it has said.
    is_believed: Option<bool>,
}

impl Held {
    fn new(inner: Body, look: impl Future<Output = bool> + Send + 'static) -> Self {
        Self { inner, is_read: false, trailers: None, look: Box::pin(look), is_believed: None }
    }
}

impl http_body::Body for Held {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let this = self.get_mut();
        if !this.is_read {
            match ready!(Pin::new(&mut this.inner).poll_frame(context)) {
                Some(Ok(frame)) if frame.is_data() => return Poll::Ready(Some(Ok(frame))),
                // As a text: tonic looks for the cause, and takes a call that was cancelled for one that has ended.
                Some(Err(error)) => {
                    let text = Chain(error.into_inner().as_ref()).to_string();
                    return Poll::Ready(Some(Err(axum::Error::new(text))));
                }
                Some(Ok(trailers)) => this.trailers = Some(trailers),
                None => {}
            }
            this.is_read = true;
        }
        let is_believed = match this.is_believed {
            Some(is_believed) => is_believed,
            None => {
                let is_believed = ready!(this.look.as_mut().poll(context));
                this.is_believed = Some(is_believed);
                is_believed
            }
        };
        match is_believed {
            true => Poll::Ready(this.trailers.take().map(Ok)),
            false => Poll::Ready(Some(Err(axum::Error::new("the caller is believed no more")))),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.is_believed == Some(true) && self.trailers.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use std::future::ready;

    use http::HeaderValue;
    use http_body_util::{BodyExt as _, StreamBody};

    use super::*;

    /// Makes a body of one piece with trailers, whose caller is believed at its end or not.
    fn held(is_believed: bool) -> Body {
        let trailers = HeaderMap::from_iter([(AUTHORIZATION, HeaderValue::from_static("none"))]);
        let frames = [Frame::data(Bytes::from_static(b"whole")), Frame::trailers(trailers)];
        let frames = tokio_stream::iter(frames.map(Ok::<_, std::io::Error>));
        Body::new(Held::new(Body::new(StreamBody::new(frames)), ready(is_believed)))
    }

    #[tokio::test]
    async fn a_body_ends_as_it_was_for_a_caller_that_is_still_believed() {
        let body = held(true);
        assert!(!body.is_end_stream());
        let collected = body.collect().await.expect("no error");
        assert!(collected.trailers().is_some());
        assert_eq!(collected.to_bytes(), "whole");
        let body = Body::new(Held::new(Body::from("whole"), ready(true)));
        assert_eq!(body.size_hint().exact(), Some(5));
        assert_eq!(body.collect().await.expect("no error").to_bytes(), "whole");
    }

    #[tokio::test]
    async fn a_body_never_ends_for_anybody_else() {
        let mut body = held(false);
        assert!(body.frame().await.expect("a frame").is_ok_and(|frame| frame.is_data()));
        for _ in 0..3 {
            assert!(body.frame().await.expect("no end").is_err());
            assert!(!body.is_end_stream());
        }
    }
}

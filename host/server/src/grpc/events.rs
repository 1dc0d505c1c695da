//! `backplane.v1.Events`: publishing and following, by the rules of the HTTP API.

mod subscribe;

use std::sync::Arc;

use backplane_auth::Principal;
use http::HeaderMap;
use tonic::{Request, Response, Status};

use self::subscribe::Subscriber;
use super::{
    pb::{
        NewEvent, PublishEventRequest, PublishEventResponse, PublishManyEventsRequest, PublishManyEventsResponse,
        PublishedEvent, SubscribeEventsRequest, SubscribeEventsResponse, events_server,
    },
    streams::Messages,
};
use crate::{
    app::{App, AppState},
    cloud_events::{BATCH_EVENTS_MAX, EventMessage, Incoming, ReadEventError, read_message},
    dispatch::trace_parent,
    endpoint::{publish_all, read_failed},
    events::Accepted,
    identity::trail::Caller,
    problem::{ApiError, ApiResult, codes},
};

/// The service.
pub(super) struct Events {
    app: Arc<App>,
}

impl Events {
    pub(super) fn new(app: Arc<App>) -> Self {
        Self { app }
    }

    async fn publish_events(&self, parts: &Parts, events: Vec<NewEvent>) -> ApiResult<Vec<PublishedEvent>> {
        if events.len() > BATCH_EVENTS_MAX {
            return Err(read_failed(ReadEventError::TooMany));
        }
        let events = events.iter().map(read).collect::<ApiResult<Vec<_>>>()?;
        let app = AppState(Arc::clone(&self.app));
        let accepted = publish_all(&app, &parts.caller, trace_parent(&parts.headers).as_deref(), events).await?;
        Ok(accepted.into_iter().map(|Accepted { id, seq }| PublishedEvent { id, sequence: seq.0 }).collect())
    }
}

/// What a request brings beside its message.
struct Parts {
    caller: Arc<Principal>,
    headers: HeaderMap,
}

impl Parts {
    fn of<T>(request: &mut Request<T>) -> ApiResult<Self> {
        let caller = request.extensions().get::<Caller>().map(|Caller(caller)| Arc::clone(caller));
        let caller = caller.ok_or_else(|| ApiError::internal("a method that no guard stands before"))?;
        Ok(Self { caller, headers: std::mem::take(request.metadata_mut()).into_headers() })
    }
}

fn read(event: &NewEvent) -> ApiResult<Incoming> {
    let message = EventMessage {
        topic: &event.topic,
        key: &event.key,
        content_type: &event.content_type,
        payload: &event.payload,
        id: &event.id,
        source: &event.source,
        time: event.time.map(|time| (time.seconds, time.nanos)),
    };
    read_message(message).map_err(read_failed)
}

#[tonic::async_trait]
impl events_server::Events for Events {
    type SubscribeStream = Messages<SubscribeEventsResponse>;

    async fn publish(
        &self,
        mut request: Request<PublishEventRequest>,
    ) -> Result<Response<PublishEventResponse>, Status> {
        let parts = Parts::of(&mut request)?;
        let event =
            request.into_inner().event.ok_or_else(|| ApiError::new(codes::INVALID_EVENT, "`event` is missing"))?;
        let event = self.publish_events(&parts, vec![event]).await?.pop();
        Ok(Response::new(PublishEventResponse { event }))
    }

    async fn publish_many(
        &self,
        mut request: Request<PublishManyEventsRequest>,
    ) -> Result<Response<PublishManyEventsResponse>, Status> {
        let parts = Parts::of(&mut request)?;
        let events = self.publish_events(&parts, request.into_inner().events).await?;
        Ok(Response::new(PublishManyEventsResponse { events }))
    }

    async fn subscribe(
        &self,
        mut request: Request<SubscribeEventsRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let parts = Parts::of(&mut request)?;
        let messages = Subscriber::start(Arc::clone(&self.app), &parts, request.into_inner()).await?;
        Ok(Response::new(messages))
    }
}

//! `backplane.v1.Plugins`: the plugins, and changes of them, for administrators.

mod remove;
mod upload;
mod view;
mod watch;

use std::sync::Arc;

use axum::extract::Path;
use tokio::{
    sync::{Mutex, Semaphore},
    time::Instant,
};
use tonic::{Request, Response, Status, Streaming};

use super::{
    guard::End,
    pb::{
        GetPluginRequest, GetPluginResponse, ListPluginsRequest, ListPluginsResponse, ListVersionsRequest,
        ListVersionsResponse, RemovePluginRequest, RemovePluginResponse, RollbackPluginRequest, RollbackPluginResponse,
        UploadPluginRequest, UploadPluginResponse, WatchPluginsRequest, WatchPluginsResponse, plugins_server,
    },
    streams::{Messages, Streams},
};
use crate::{
    app::{App, AppState},
    endpoint,
    identity::trail::Attempt,
    middleware::guard::SecondLook,
    problem::{ApiError, ApiResult, codes},
};

/// Components that are uploaded at the same time, from their first byte to the answer; each may be as long as
/// `folder.file_bytes_max`.
const UPLOADS_MAX: usize = 2;

/// The service.
pub(super) struct Plugins {
    app: Arc<App>,
    streams: Streams,
    /// For components that are in memory.
    uploads: Semaphore,
    /// Held by who changes the folder, until the supervisor has decided: each gets an answer about its own change.
    folder: Mutex<()>,
}

impl Plugins {
    pub(super) fn new(app: Arc<App>, streams: Streams) -> Self {
        Self { app, streams, uploads: Semaphore::new(UPLOADS_MAX), folder: Mutex::default() }
    }

    fn app(&self) -> AppState {
        AppState(Arc::clone(&self.app))
    }
}

/// A change, as the guard let it in.
struct Change {
    attempt: Attempt,
    /// Taken again where the change had to wait for something.
    second_look: SecondLook,
    /// Until when the caller waits.
    end: Instant,
}

impl Change {
    fn of<T>(request: &Request<T>) -> ApiResult<Self> {
        Self::find(request).ok_or_else(|| ApiError::internal("a method that no guard stands before"))
    }

    fn find<T>(request: &Request<T>) -> Option<Self> {
        let extensions = request.extensions();
        let (attempt, second_look) = (extensions.get::<Attempt>()?.clone(), extensions.get::<SecondLook>()?.clone());
        let End(end) = *extensions.get::<End>()?;
        Some(Self { attempt, second_look, end })
    }
}

#[tonic::async_trait]
impl plugins_server::Plugins for Plugins {
    type WatchStream = Messages<WatchPluginsResponse>;

    async fn list(&self, _: Request<ListPluginsRequest>) -> Result<Response<ListPluginsResponse>, Status> {
        let views = self.app.live.snapshot().views();
        Ok(Response::new(ListPluginsResponse { plugins: views.into_iter().map(Into::into).collect() }))
    }

    async fn get(&self, request: Request<GetPluginRequest>) -> Result<Response<GetPluginResponse>, Status> {
        let view = endpoint::show_plugin(self.app(), Path(request.into_inner().name)).await?;
        Ok(Response::new(GetPluginResponse { plugin: Some(view.0.into()) }))
    }

    async fn list_versions(
        &self,
        request: Request<ListVersionsRequest>,
    ) -> Result<Response<ListVersionsResponse>, Status> {
        let versions = endpoint::list_versions(self.app(), Path(request.into_inner().name)).await?;
        Ok(Response::new(ListVersionsResponse { versions: versions.0.into_iter().map(Into::into).collect() }))
    }

    async fn upload(
        &self,
        request: Request<Streaming<UploadPluginRequest>>,
    ) -> Result<Response<UploadPluginResponse>, Status> {
        let change = Change::of(&request)?;
        let view = self.receive_and_place(&change, request.into_inner()).await?;
        Ok(Response::new(UploadPluginResponse { plugin: Some(view.into()) }))
    }

    async fn rollback(
        &self,
        request: Request<RollbackPluginRequest>,
    ) -> Result<Response<RollbackPluginResponse>, Status> {
        let Change { attempt, .. } = Change::of(&request)?;
        let RollbackPluginRequest { name, hash } = request.into_inner();
        let hash = match hash.as_str() {
            "" => None,
            text => Some(text.parse().map_err(|_| {
                ApiError::new(codes::INVALID_REQUEST, "`hash` is the SHA-256 of a component, in hexadecimal")
            })?),
        };
        let view = endpoint::roll_back(&self.app(), &attempt, &name, hash).await?;
        Ok(Response::new(RollbackPluginResponse { plugin: Some(view.into()) }))
    }

    async fn remove(&self, request: Request<RemovePluginRequest>) -> Result<Response<RemovePluginResponse>, Status> {
        let change = Change::of(&request)?;
        let file = self.remove_file_of(&change, &request.into_inner().name).await?;
        Ok(Response::new(RemovePluginResponse { file: file.to_string() }))
    }

    async fn watch(&self, request: Request<WatchPluginsRequest>) -> Result<Response<Self::WatchStream>, Status> {
        let name = Some(request.into_inner().name).filter(|name| !name.is_empty());
        let (sender, messages) = self.streams.open()?;
        tokio::spawn(watch::follow(Arc::clone(&self.app), name, sender));
        Ok(Response::new(messages))
    }
}

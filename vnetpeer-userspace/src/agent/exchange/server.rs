//! Answers other hosts that ask what this host knows.

use std::{
    io,
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use axum::{
    Json, Router,
    extract::{ConnectInfo, Query, State, connect_info::Connected},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
    serve::{IncomingStream, Listener},
};
use serde::Deserialize;
use tokio::{
    net::{TcpListener, TcpStream},
    time::{sleep, timeout},
};

use super::Shared;

/// How long an answer waits for news.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// How often an address is tried that the host does not have yet.
const RETRY: Duration = Duration::from_secs(1);
/// After a connection that could not be accepted, for want of file descriptors for example.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener that is deaf to strangers.
struct Guarded {
    listener: TcpListener,
    shared: Arc<Shared>,
}

impl Listener for Guarded {
    type Io = TcpStream;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (TcpStream, SocketAddr) {
        loop {
            match self.listener.accept().await {
                Ok((stream, address)) if self.shared.is_member(address.ip()) => {
                    if let Err(error) = stream.set_nodelay(true) {
                        tracing::debug!(%address, %error, "cannot set TCP_NODELAY");
                    }
                    return (stream, address);
                }
                Ok((_, address)) => {
                    tracing::debug!(%address, "a stranger wanted to know facts");
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot accept a connection");
                    sleep(PAUSE).await;
                }
            }
        }
    }

    fn local_addr(&self) -> io::Result<SocketAddr> {
        self.listener.local_addr()
    }
}

/// Who asks.
#[derive(Clone, Copy)]
struct Asker(IpAddr);

impl Connected<IncomingStream<'_, Guarded>> for Asker {
    fn connect_info(stream: IncomingStream<'_, Guarded>) -> Self {
        Self(stream.remote_addr().ip())
    }
}

#[derive(Deserialize)]
struct After {
    #[serde(default)]
    after: String,
}

/// Answers on one underlay address for as long as it is the host's.
pub(super) async fn serve(address: SocketAddr, shared: Arc<Shared>) {
    let mut said = false;
    loop {
        match TcpListener::bind(address).await {
            Ok(listener) => {
                let router =
                    Router::new().route("/v1/facts", get(facts)).with_state(Arc::clone(&shared));
                let service = router.into_make_service_with_connect_info::<Asker>();
                let guarded = Guarded { listener, shared: Arc::clone(&shared) };
                if let Err(error) = axum::serve(guarded, service).await {
                    tracing::warn!(%address, %error, "no longer answers other hosts");
                }
            }
            Err(error) if !said => {
                tracing::warn!(%address, %error, "cannot answer other hosts yet");
                said = true;
            }
            Err(_) => {}
        }
        sleep(RETRY).await;
    }
}

/// Waits until there is something else than the asker has. A host that left the document may still be
/// connected, so everybody is looked at again.
async fn facts(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(Asker(address)): ConnectInfo<Asker>,
    Query(After { after }): Query<After>,
) -> Response {
    if !shared.is_member(address) {
        return StatusCode::FORBIDDEN.into_response();
    }
    let mut own = shared.own.clone();
    match timeout(POLL, own.wait_for(|said| said.version != after)).await {
        Ok(Ok(said)) => Json(said.clone()).into_response(),
        Ok(Err(_)) => StatusCode::SERVICE_UNAVAILABLE.into_response(),
        Err(_) => StatusCode::NO_CONTENT.into_response(),
    }
}

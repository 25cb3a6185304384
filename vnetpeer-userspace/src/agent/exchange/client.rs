//! Asks another host what it knows, again and again.

use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::{
    Request, StatusCode, Uri,
    body::Bytes,
    client::conn::http1::{self, SendRequest},
    header::HOST,
};
use hyper_util::rt::TokioIo;
use tokio::{
    net::{TcpSocket, TcpStream},
    task::JoinSet,
    time::{sleep, timeout},
};

use super::{
    Shared,
    facts::{Peer, Said},
    server::POLL,
};

/// How long a connection may take to come about.
const CONNECT: Duration = Duration::from_secs(2);
/// How long an answer may take: the other side waits for news first.
const ANSWER: Duration = POLL.saturating_add(Duration::from_secs(2));
/// Pauses after failures grow from the first to the second.
const PAUSES: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(2)];
/// Longest answer, in bytes: some times what the largest gateways of a host learn.
const ANSWER_MAX: usize = 32 << 20;

/// Why a host said nothing.
#[derive(Debug, thiserror::Error)]
enum Silence {
    #[error("no underlay address of the same family")]
    NoWay,
    #[error("cannot connect: {0}")]
    Connect(std::io::Error),
    #[error("the connection broke: {0}")]
    Http(#[from] hyper::Error),
    #[error("no answer in time")]
    TimedOut,
    #[error("it answered {0}")]
    Status(StatusCode),
    #[error("its answer makes no sense: {0}")]
    Body(Box<dyn std::error::Error + Send + Sync>),
    #[error("host {host} of deployment {deployment} answered instead")]
    SomebodyElse { host: String, deployment: String },
}

/// Asks until it is aborted.
pub(super) async fn ask(peer: Peer, port: u16, shared: Arc<Shared>) {
    let [first, longest] = PAUSES;
    let mut pause = first;
    let mut after = String::new();
    loop {
        let mut connection = JoinSet::new();
        let failure = match connect(&peer, port, &mut connection).await {
            Ok(mut sender) => loop {
                match once(&mut sender, &peer, &after).await {
                    Ok(Some(said)) if !shared.is_meant(&peer.host, &said) => {
                        let Said { host, deployment, .. } = said;
                        break Silence::SomebodyElse { host, deployment };
                    }
                    Ok(said) => {
                        pause = first;
                        if let Some(said) = &said {
                            after.clone_from(&said.version);
                        }
                        shared.hear(&peer.host, said.map(|it| it.facts));
                    }
                    Err(silence) => break silence,
                }
            },
            Err(silence) => silence,
        };
        shared.miss(&peer.host, failure.to_string());
        sleep(pause).await;
        pause = longest.min(pause * 2);
    }
}

/// Connects by the first way that works, from the address that the other side knows.
async fn connect(
    peer: &Peer,
    port: u16,
    connection: &mut JoinSet<()>,
) -> Result<SendRequest<Empty<Bytes>>, Silence> {
    let mut last = Silence::NoWay;
    for (local, remote) in &peer.ways {
        match timeout(CONNECT, tcp(*local, SocketAddr::new(*remote, port))).await {
            Ok(Ok(stream)) => {
                let (sender, driver) = http1::handshake(TokioIo::new(stream)).await?;
                connection.spawn(async {
                    // Whoever sends learns of the failure.
                    let _ = driver.await;
                });
                return Ok(sender);
            }
            Ok(Err(error)) => last = Silence::Connect(error),
            Err(_) => last = Silence::TimedOut,
        }
    }
    Err(last)
}

async fn tcp(local: IpAddr, remote: SocketAddr) -> std::io::Result<TcpStream> {
    let socket = if local.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
    socket.set_nodelay(true)?;
    socket.bind(SocketAddr::new(local, 0))?;
    socket.connect(remote).await
}

/// Asks once; `None` if there is nothing new.
async fn once(
    sender: &mut SendRequest<Empty<Bytes>>,
    peer: &Peer,
    after: &str,
) -> Result<Option<Said>, Silence> {
    let mut request = Request::new(Empty::new());
    *request.uri_mut() = format!("/v1/facts?after={after}").parse().unwrap_or(Uri::default());
    if let Ok(host) = peer.host.parse() {
        request.headers_mut().insert(HOST, host);
    }
    let answer = async {
        sender.ready().await?;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), ANSWER_MAX).collect().await;
        Ok((status, body.map_err(Silence::Body)?.to_bytes()))
    };
    let (status, body) = timeout(ANSWER, answer).await.unwrap_or(Err(Silence::TimedOut))?;
    match status {
        StatusCode::OK => {
            serde_json::from_slice(&body).map(Some).map_err(|error| Silence::Body(error.into()))
        }
        StatusCode::NO_CONTENT => Ok(None),
        status => Err(Silence::Status(status)),
    }
}

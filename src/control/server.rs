//! Serves the socket and the metrics page.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, UnixListener, UnixStream};
use tokio::sync::Semaphore;

use super::protocol::{MAX_REQUEST_BYTES, Request, Response};

/// Connections served at once; more wait in the kernel's backlog.
const MAX_CONNECTIONS: usize = 32;
/// A peer that says nothing is let go.
const IDLE_TIMEOUT: Duration = Duration::from_secs(30);

/// The daemon's socket; its file is removed when dropped.
#[derive(Debug)]
pub struct Socket {
    listener: UnixListener,
    path: PathBuf,
}

impl Socket {
    /// Takes over a socket file that nobody listens on. Only its owner may connect.
    pub fn bind(path: &Path) -> io::Result<Self> {
        let described = |e: io::Error| {
            io::Error::new(e.kind(), format!("control socket {}: {e}", path.display()))
        };
        if let Some(folder) = path.parent() {
            std::fs::create_dir_all(folder).map_err(described)?;
        }
        if std::os::unix::net::UnixStream::connect(path).is_ok() {
            return Err(described(io::Error::new(
                io::ErrorKind::AddrInUse,
                "another daemon answers on it",
            )));
        }
        match std::fs::remove_file(path) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(described(e)),
            _ => {}
        }
        let listener = UnixListener::bind(path).map_err(described)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .map_err(described)?;
        Ok(Self {
            listener,
            path: path.to_owned(),
        })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        // Gone already is as good.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Answers requests until dropped. Must run within a `LocalSet`.
pub async fn serve_socket<F, A>(socket: &Socket, answer: F)
where
    F: Fn(Request) -> A + 'static,
    A: Future<Output = Response> + 'static,
{
    let answer = Rc::new(answer);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let stream = match socket.listener.accept().await {
            Ok((stream, _)) => stream,
            Err(e) => {
                tracing::warn!("control socket: {e}");
                tokio::time::sleep(Duration::from_millis(100)).await;
                continue;
            }
        };
        let answer = answer.clone();
        tokio::task::spawn_local(async move {
            if let Err(e) = converse(stream, answer.as_ref()).await {
                tracing::debug!("control connection: {e}");
            }
            drop(place);
        });
    }
}

async fn converse<F, A>(mut stream: UnixStream, answer: &F) -> io::Result<()>
where
    F: Fn(Request) -> A,
    A: Future<Output = Response>,
{
    let (read, mut write) = stream.split();
    let mut reader = BufReader::new(read);
    let mut line = Vec::new();
    loop {
        line.clear();
        let mut bounded = (&mut reader).take(MAX_REQUEST_BYTES as u64 + 1);
        let read = bounded.read_until(b'\n', &mut line);
        let n = tokio::time::timeout(IDLE_TIMEOUT, read)
            .await
            .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
        if n == 0 {
            return Ok(());
        }
        let too_long = line.len() > MAX_REQUEST_BYTES;
        let response = if too_long {
            Response::Failed {
                message: format!("a request is at most {MAX_REQUEST_BYTES} bytes"),
            }
        } else {
            match serde_json::from_slice::<Request>(&line) {
                Ok(request) => answer(request).await,
                Err(e) => Response::Failed {
                    message: format!("not a request: {e}"),
                },
            }
        };
        let mut text = serde_json::to_vec(&response)?;
        text.push(b'\n');
        write.write_all(&text).await?;
        if too_long {
            return Ok(());
        }
    }
}

/// Serves the metrics page over HTTP until dropped. Must run within a `LocalSet`.
pub async fn serve_metrics(listener: TcpListener, page: impl Fn() -> String + 'static) {
    let page = Rc::new(page);
    let places = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(place) = places.clone().acquire_owned().await else {
            return;
        };
        let Ok((mut stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(100)).await;
            continue;
        };
        let page = page.clone();
        tokio::task::spawn_local(async move {
            let served = tokio::time::timeout(IDLE_TIMEOUT, async {
                let mut head = [0_u8; 2048];
                let n = stream.read(&mut head).await?;
                stream
                    .write_all(&respond(&head[..n], page.as_ref()))
                    .await?;
                stream.shutdown().await
            });
            if let Ok(Err(e)) = served.await {
                tracing::debug!("metrics connection: {e}");
            }
            drop(place);
        });
    }
}

fn respond(head: &[u8], page: &impl Fn() -> String) -> Vec<u8> {
    let target = head.split(|&b| b == b' ').nth(1).unwrap_or_default();
    let (status, body) = match (head.starts_with(b"GET "), target) {
        (true, b"/metrics" | b"/") => ("200 OK", page()),
        (true, _) => ("404 Not Found", "the page is /metrics\n".to_owned()),
        (false, _) => ("405 Method Not Allowed", "only GET\n".to_owned()),
    };
    format!(
        "HTTP/1.1 {status}\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// Binds the metrics page; the error names the address.
pub async fn bind_metrics(address: SocketAddr) -> io::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .map_err(|e| io::Error::new(e.kind(), format!("metrics address {address}: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer_of(head: &str) -> String {
        String::from_utf8(respond(head.as_bytes(), &|| "x 1\n".to_owned())).unwrap()
    }

    #[test]
    fn only_the_metrics_page_is_served() {
        assert!(answer_of("GET /metrics HTTP/1.1\r\n\r\n").ends_with("\r\n\r\nx 1\n"));
        assert!(answer_of("GET /etc/passwd HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 404"));
        assert!(answer_of("POST /metrics HTTP/1.1\r\n\r\n").starts_with("HTTP/1.1 405"));
        assert!(answer_of("").starts_with("HTTP/1.1 405"));
    }

    #[test]
    fn a_hostile_peer_gets_an_error_and_no_more() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let local = tokio::task::LocalSet::new();
        local.block_on(&runtime, async {
            let socket = Socket::bind(&path).unwrap();
            assert!(
                Socket::bind(&path).is_err(),
                "a live socket is not taken over"
            );
            let asked = path.clone();
            let client = tokio::task::spawn_blocking(move || {
                use std::io::{BufRead, Write};
                let mut answers = Vec::new();
                for request in [
                    "{\n".to_owned(),
                    "{\"command\":\"reload\",\"x\":1}\n".to_owned(),
                    format!("{}\n", "[".repeat(MAX_REQUEST_BYTES + 10)),
                    "{\"command\":\"stats\"}\n".to_owned(),
                ] {
                    let mut s = std::os::unix::net::UnixStream::connect(&asked).unwrap();
                    s.write_all(request.as_bytes()).unwrap();
                    let mut answer = String::new();
                    std::io::BufReader::new(s).read_line(&mut answer).unwrap();
                    answers.push(answer);
                }
                answers
            });
            let answers = tokio::select! {
                answers = client => answers.unwrap(),
                () = serve_socket(&socket, |_| async { Response::Detaching }) => unreachable!(),
            };
            assert!(answers[0].contains("not a request"), "{}", answers[0]);
            assert!(answers[1].contains("not a request"), "{}", answers[1]);
            assert!(answers[2].contains("at most"), "{}", answers[2]);
            assert!(answers[3].contains("detaching"), "{}", answers[3]);
        });
        assert!(!path.exists(), "the socket file goes with the daemon");
    }
}

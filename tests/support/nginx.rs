//! Debian's nginx in the server namespace. Its own log says what reached it.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use serde_json::Value;

use super::netns::Lab;
use super::process::Running;
use super::tls_responder::Certificate;
use super::{Fallible, wait_for};

pub const PORT: u16 = 80;
/// Where it serves the same pages without being expected there.
pub const OTHER_PORT: u16 = 4711;
/// Where it speaks HTTP/2, without TLS, and nothing else.
pub const HTTP2_PORT: u16 = 8090;
/// Where the same server speaks TLS, on the server namespace's own loopback.
pub const TLS_BACKEND: ([u8; 4], u16) = ([127, 0, 0, 1], 8443);
/// Body length of any page but `/big`.
pub const SMALL_BODY: usize = 100;
/// Body length of `/big`.
pub const BIG_BODY: usize = 133_000;

/// What the server is set up for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// Every request is read to its last byte and logged with all that an attack can hide in.
    Witness,
    /// Nothing is logged, for speed.
    Load,
}

#[derive(Debug)]
pub struct Nginx {
    process: Running,
    log: PathBuf,
    server: String,
}

/// One request as the server logged it.
#[derive(Clone, Debug)]
pub struct Logged(Value);

impl Logged {
    pub fn field(&self, name: &str) -> &str {
        self.0.get(name).and_then(Value::as_str).unwrap_or("")
    }

    /// Whether the server acted on the request: it sent an answer. A request that broke off before its
    /// end is logged too, with what had come of it, and is not answered.
    pub fn answered(&self) -> bool {
        self.field("bytes_sent").parse::<u64>().unwrap_or(0) > 0
    }

    pub fn holds(&self, text: &str) -> bool {
        self.0.as_object().is_some_and(|fields| {
            fields
                .values()
                .any(|v| v.as_str().is_some_and(|s| s.contains(text)))
        })
    }
}

impl Nginx {
    pub fn start(lab: &Lab, purpose: Purpose, tls: Option<&Certificate>) -> Fallible<Self> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let folder = lab
            .folder()
            .join(format!("nginx-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        fs::create_dir(&folder)?;
        fs::write(folder.join("big"), vec![b'b'; BIG_BODY])?;
        let config = folder.join("nginx.conf");
        fs::write(&config, config_text(&folder, purpose, tls))?;
        let server = lab.server();
        let mut process = lab.start(&server, "nginx", &["-c", &config.to_string_lossy()])?;
        let nginx_is_up = wait_for(Duration::from_secs(5), || {
            process.exit_status().map(|_| false).or_else(|| {
                lab.inside(&server, || {
                    std::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], PORT))).is_ok()
                })
                .ok()
                .filter(|up| *up)
            })
        });
        if nginx_is_up != Some(true) {
            return Err(format!("nginx did not start: {}", process.stderr()).into());
        }
        Ok(Self {
            process,
            log: folder.join("access.log"),
            server,
        })
    }

    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// All requests logged so far.
    pub fn log(&self) -> Vec<Logged> {
        // What clients send is logged as it is, and need not be text.
        let log = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&log)
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok().map(Logged))
            .collect()
    }

    /// Requests in the log that hold `text` in any field.
    pub fn requests_with(&self, text: &str) -> Vec<Logged> {
        let mut log = self.log();
        log.retain(|request| request.holds(text));
        log
    }

    /// Returns when all that had reached the server is in its log: a request sent now over its own
    /// loopback is logged last, since one process serves in order.
    pub fn settle(&self, lab: &Lab) -> Fallible<()> {
        static COUNT: AtomicU64 = AtomicU64::new(0);
        let name = format!("settle-{}", COUNT.fetch_add(1, Ordering::Relaxed));
        std::thread::sleep(Duration::from_millis(50));
        lab.inside(&self.server, || -> std::io::Result<()> {
            use std::io::{Read as _, Write as _};
            let mut stream =
                std::net::TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], PORT)))?;
            write!(
                stream,
                "GET /{name} HTTP/1.1\r\nHost: settle\r\nConnection: close\r\n\r\n"
            )?;
            stream.read_to_end(&mut Vec::new())?;
            Ok(())
        })??;
        wait_for(Duration::from_secs(5), || {
            (!self.requests_with(&name).is_empty()).then_some(())
        })
        .ok_or_else(|| "the server's log stands still".into())
    }

    pub fn stop(&mut self) {
        self.process.stop();
    }
}

fn config_text(folder: &Path, purpose: Purpose, tls: Option<&Certificate>) -> String {
    let small = "x".repeat(SMALL_BODY);
    let dir = folder.display();
    let log = match purpose {
        Purpose::Witness => format!("access_log {dir}/access.log witness;"),
        Purpose::Load => "access_log off;".to_owned(),
    };
    let tls_listen = tls.map_or(String::new(), |certificate| {
        format!(
            "listen 127.0.0.1:{} ssl;\nssl_certificate {};\nssl_certificate_key {};",
            TLS_BACKEND.1,
            certificate.pem.display(),
            certificate.key.display()
        )
    });
    // A body is read, and so can be logged, only when it is passed on: to a server behind a socket.
    let (page, behind) = match purpose {
        Purpose::Witness => (
            format!("proxy_pass http://unix:{dir}/behind.sock;"),
            format!(
                "server {{ listen unix:{dir}/behind.sock; access_log off;\n\
                 location / {{ return 200 \"{small}\"; }} }}"
            ),
        ),
        Purpose::Load => (format!("return 200 \"{small}\";"), String::new()),
    };
    format!(
        r#"daemon off;
master_process off;
pid {dir}/pid;
error_log {dir}/error.log warn;
events {{ worker_connections 4096; }}
http {{
  client_body_temp_path {dir}/body;
  proxy_temp_path {dir}/proxy;
  fastcgi_temp_path {dir}/fastcgi;
  uwsgi_temp_path {dir}/uwsgi;
  scgi_temp_path {dir}/scgi;
  log_format witness escape=json '{{"request":"$request","status":"$status","bytes_sent":"$bytes_sent",'
    '"case":"$http_x_case","host":"$http_host","user_agent":"$http_user_agent","cookie":"$http_cookie",'
    '"referer":"$http_referer","content_type":"$http_content_type","api_version":"$http_x_api_version",'
    '"test":"$http_x_test","forwarded":"$http_x_forwarded_for","client":"$remote_addr","body":"$request_body"}}';
  sendfile on;
  client_body_buffer_size 256k;
  client_max_body_size 8m;
  large_client_header_buffers 8 32k;
  keepalive_requests 1000000000;
  keepalive_timeout 300s;
  client_header_timeout 60s;
  reset_timedout_connection on;
  server {{
    listen [::]:{PORT} ipv6only=off backlog=4096;
    listen [::]:{OTHER_PORT} ipv6only=off;
    listen [::]:{HTTP2_PORT} http2 ipv6only=off;
    {tls_listen}
    {log}
    location = /big {{ root {dir}; }}
    location / {{ {page} }}
  }}
  {behind}
}}
"#
    )
}

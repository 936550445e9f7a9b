//! Clients that ask, load and scan, with what they report turned into numbers.

use std::time::Duration;

use super::netns::{Family, Lab};
use super::process::{self, Finished, Running, command_in};
use super::{Fallible, wait_for};

/// What nmap's ssl-heartbleed script says about the server.
#[derive(Debug)]
pub struct Scan {
    pub vulnerable: bool,
    pub took: Duration,
    pub text: String,
}

/// Runs Debian's own nmap from the client.
pub fn nmap_heartbleed(lab: &Lab, family: Family) -> Fallible<Scan> {
    let address = lab.server_address(family).to_string();
    let mut args = vec!["-Pn", "-n", "-p443", "--script", "ssl-heartbleed"];
    if family == Family::V6 {
        args.push("-6");
    }
    args.push(&address);
    let done = lab.client_runs("nmap", &args, Duration::from_secs(90))?;
    if done.code() != 0 || !done.stdout.contains("443/tcp") {
        return Err(format!("nmap failed: {}", done.text()).into());
    }
    Ok(Scan {
        vulnerable: done.stdout.contains("State: VULNERABLE"),
        took: done.took,
        text: done.stdout,
    })
}

/// One request by curl; the status, 0 when there was no answer.
pub fn curl(lab: &Lab, url: &str, within: Duration) -> Fallible<u16> {
    let seconds = within.as_secs_f32().to_string();
    let args = [
        "-sk",
        "-o",
        "/dev/null",
        "-w",
        "%{http_code}",
        "--max-time",
        &seconds,
        url,
    ];
    let done = lab.client_runs("curl", &args, within + Duration::from_secs(2))?;
    Ok(done.stdout.trim().parse()?)
}

/// A whole TLS session by `openssl s_client`: handshake, one request, the answer.
pub fn openssl_client(lab: &Lab, family: Family) -> Fallible<Finished> {
    let script = format!(
        "printf 'GET /tls HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n' | \
         openssl s_client -connect '{}' -quiet -ign_eof",
        lab.authority(family, 443)
    );
    lab.client_runs("sh", &["-c", &script], Duration::from_secs(10))
}

/// What wrk measured.
#[derive(Clone, Copy, Debug, Default)]
pub struct WrkResult {
    pub requests: u64,
    pub requests_per_second: f64,
    /// Connect, read, write errors, timeouts and answers other than 2xx and 3xx, together.
    pub failed: u64,
    pub p50_ms: f64,
    pub p99_ms: f64,
}

/// How wrk loads.
#[derive(Clone, Debug)]
pub struct Wrk {
    pub url: String,
    pub connections: u32,
    pub seconds: u32,
    /// `Connection: close`: each request is a connection of its own.
    pub new_connections: bool,
    pub cpu: Option<usize>,
}

impl Wrk {
    pub fn start(&self, lab: &Lab) -> Fallible<Running> {
        Running::start(
            &mut self.command(lab),
            lab.folder(),
            &format!("wrk-{}", unique()),
        )
    }

    pub fn run(&self, lab: &Lab) -> Fallible<WrkResult> {
        let within = Duration::from_secs(u64::from(self.seconds) + 15);
        let done = process::run(&mut self.command(lab), within)?;
        WrkResult::parse(&done.stdout).ok_or_else(|| format!("wrk: {}", done.text()).into())
    }

    fn command(&self, lab: &Lab) -> std::process::Command {
        let mut command = match self.cpu {
            None => command_in(&lab.client(), "wrk"),
            Some(cpu) => {
                let mut command = command_in(&lab.client(), "taskset");
                command.args(["-c", &cpu.to_string(), "wrk"]);
                command
            }
        };
        command.args([
            "-t1",
            &format!("-c{}", self.connections),
            &format!("-d{}s", self.seconds),
            "--latency",
            "--timeout",
            "5s",
        ]);
        if self.new_connections {
            command.args(["-H", "Connection: close"]);
        }
        command.arg(&self.url);
        command
    }
}

impl WrkResult {
    pub fn of(running: &mut Running, within: Duration) -> Fallible<Self> {
        running.wait(within).ok_or("wrk did not end")?;
        Self::parse(&running.stdout())
            .ok_or_else(|| format!("wrk: {}{}", running.stdout(), running.stderr()).into())
    }

    fn parse(text: &str) -> Option<Self> {
        let mut result = Self::default();
        let mut seen = false;
        for line in text.lines().map(str::trim) {
            let words: Vec<&str> = line.split_whitespace().collect();
            match words.as_slice() {
                ["Requests/sec:", n] => {
                    result.requests_per_second = n.parse().ok()?;
                    seen = true;
                }
                ["50%", n] => result.p50_ms = milliseconds(n)?,
                ["99%", n] => result.p99_ms = milliseconds(n)?,
                [n, "requests", "in", ..] => result.requests = n.parse().ok()?,
                [
                    "Socket",
                    "errors:",
                    "connect",
                    a,
                    "read",
                    b,
                    "write",
                    c,
                    "timeout",
                    d,
                ] => {
                    for n in [a, b, c, d] {
                        result.failed += n.trim_end_matches(',').parse::<u64>().ok()?;
                    }
                }
                ["Non-2xx", "or", "3xx", "responses:", n] => {
                    result.failed += n.parse::<u64>().ok()?;
                }
                _ => {}
            }
        }
        seen.then_some(result)
    }
}

fn milliseconds(text: &str) -> Option<f64> {
    let digits = text.trim_end_matches(char::is_alphabetic);
    let scale = match &text[digits.len()..] {
        "us" => 0.001,
        "ms" => 1.0,
        "s" => 1000.0,
        "m" => 60_000.0,
        _ => return None,
    };
    Some(digits.parse::<f64>().ok()? * scale)
}

/// One TCP run of iperf3 from client to server; Gbit/s as the receiver saw it.
pub fn iperf3(lab: &Lab, family: Family, seconds: u32, cpu: Option<usize>) -> Fallible<f64> {
    let server_namespace = lab.server();
    let mut server = lab.start(&server_namespace, "iperf3", &["-s", "-1"])?;
    wait_for(Duration::from_secs(3), || {
        server.stdout().contains("listening").then_some(())
    });
    // iperf3 does not flush its greeting to a file; it listens at once all the same.
    std::thread::sleep(Duration::from_millis(200));
    let address = lab.server_address(family).to_string();
    let seconds_text = seconds.to_string();
    let mut args = vec!["-c", &address, "-t", &seconds_text, "-J"];
    let cpu_text = cpu.map(|cpu| cpu.to_string());
    if let Some(cpu) = &cpu_text {
        args.extend(["-A", cpu]);
    }
    let done = lab.client_runs(
        "iperf3",
        &args,
        Duration::from_secs(u64::from(seconds) + 15),
    )?;
    server.stop();
    let report: serde_json::Value = serde_json::from_str(&done.stdout)?;
    report
        .pointer("/end/sum_received/bits_per_second")
        .and_then(serde_json::Value::as_f64)
        .map(|bits| bits / 1e9)
        .ok_or_else(|| format!("iperf3: {}", done.text()).into())
}

fn unique() -> u64 {
    use std::sync::atomic::{AtomicU64, Ordering};
    static COUNT: AtomicU64 = AtomicU64::new(0);
    COUNT.fetch_add(1, Ordering::Relaxed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_wrk_prints() {
        let text = "  Latency Distribution\n     50%  310.00us\n     75%    1.10ms\n     99%    2.50ms\n  \
                    1000 requests in 1.00s, 1.0MB read\n  Socket errors: connect 1, read 2, write 3, timeout 4\n  \
                    Non-2xx or 3xx responses: 5\nRequests/sec:   1000.50\n";
        let result = WrkResult::parse(text).expect("parsed");
        assert_eq!((result.requests, result.failed), (1000, 15));
        assert!((result.p50_ms - 0.31).abs() < 1e-9 && (result.p99_ms - 2.5).abs() < 1e-9);
    }
}

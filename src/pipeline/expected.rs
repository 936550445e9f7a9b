//! Connections that others have announced, such as those for FTP's files.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::time::Duration;

use crate::app_layer::message::Expected;
use crate::time::Timestamp;

/// Connections that are waited for; the oldest gives way.
const MOST: usize = 1024;
/// How long one is waited for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What is waited for. A worker sees all connections between two addresses: that is how queues are
/// balanced.
#[derive(Debug, Default)]
pub(super) struct ExpectedFlows {
    waiting: VecDeque<Waiting>,
}

#[derive(Debug)]
struct Waiting {
    opener: IpAddr,
    server: (IpAddr, u16),
    since: Timestamp,
    expected: Expected,
}

impl ExpectedFlows {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(super) fn add(
        &mut self,
        opener: IpAddr,
        server: IpAddr,
        expected: Expected,
        now: Timestamp,
    ) {
        if self.waiting.len() >= MOST {
            self.waiting.pop_front();
        }
        self.waiting.push_back(Waiting {
            opener,
            server: (server, expected.port()),
            since: now,
            expected,
        });
    }

    /// What a connection was announced as, the newest where several were.
    pub(super) fn take(
        &mut self,
        opener: IpAddr,
        server: (IpAddr, u16),
        now: Timestamp,
    ) -> Option<Expected> {
        while let Some(oldest) = self.waiting.front()
            && oldest.since + PATIENCE < now
        {
            self.waiting.pop_front();
        }
        // Ports differ soonest.
        let is_meant =
            |w: &Waiting| w.server.1 == server.1 && (w.opener, w.server.0) == (opener, server.0);
        let at = self.waiting.iter().rposition(is_meant)?;
        self.waiting.remove(at).map(|w| w.expected)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app_layer::message::Parser;
    use crate::app_layer::sip;
    use crate::direction::Direction;

    fn expected(port: u16) -> Expected {
        let parser: Box<dyn Parser> = Box::<sip::Parser>::default();
        Expected::new(Direction::ToServer, port, parser)
    }

    #[test]
    fn a_connection_is_taken_once_and_not_too_late() {
        let [a, b] = ["192.0.2.1", "192.0.2.2"].map(|ip| ip.parse().unwrap());
        let mut flows = ExpectedFlows::default();
        let start = Timestamp::from_secs(100);
        flows.add(a, b, expected(5000), start);
        flows.add(a, b, expected(5001), start);
        assert!(flows.take(b, (a, 5000), start).is_none());
        assert!(flows.take(a, (b, 5002), start).is_none());
        assert!(flows.take(a, (b, 5000), start).is_some());
        assert!(flows.take(a, (b, 5000), start).is_none());
        assert!(flows.take(a, (b, 5001), start + PATIENCE * 2).is_none());
        assert!(flows.is_empty());
        for port in 0..2000 {
            flows.add(a, b, expected(port), start);
        }
        assert!(flows.take(a, (b, 1), start).is_none());
        assert!(flows.take(a, (b, 1999), start).is_some());
    }
}

//! A session while its connection lies idle: most need only where both ends stand.

use super::{Half, OtherSyns, State, TcpSession};
use crate::stream::chunk::ChunkPool;
use crate::stream::half::RestingHalf;

/// All of a session, in less room where it is of the usual kind.
#[derive(Debug)]
pub enum RestingSession {
    Usual(Usual),
    Whole(Box<TcpSession>),
}

/// Established, nothing on its way, and nothing odd remembered.
#[derive(Debug)]
pub struct Usual {
    halves: [RestingHalf; 2],
    midstream: bool,
    client_began: bool,
    server_confirmed: bool,
    simultaneous: bool,
    client_md5: bool,
    md5: bool,
    timestamps: bool,
    needs_answer: bool,
}

impl TcpSession {
    /// Gives back room for bytes that are not there.
    pub fn give_back(&mut self, pool: &mut ChunkPool) {
        for half in &mut self.halves {
            if half.buffer.is_empty() {
                half.buffer.clear(pool);
            }
        }
    }

    pub fn lie_down(self) -> RestingSession {
        match self.usual() {
            Some(usual) => RestingSession::Usual(usual),
            None => RestingSession::Whole(Box::new(self)),
        }
    }

    fn usual(&self) -> Option<Usual> {
        let Self {
            state: State::Established,
            halves: [client, server],
            midstream,
            client_began,
            server_confirmed,
            simultaneous,
            client_md5,
            md5,
            timestamps,
            reset: None,
            reset_is_certain: false,
            reset_is_news: false,
            needs_answer,
            other_syns,
            other_syn_ack: None,
        } = self
        else {
            return None;
        };
        if !other_syns.is_empty() {
            return None;
        }
        Some(Usual {
            halves: [client.lie_down()?, server.lie_down()?],
            midstream: *midstream,
            client_began: *client_began,
            server_confirmed: *server_confirmed,
            simultaneous: *simultaneous,
            client_md5: *client_md5,
            md5: *md5,
            timestamps: *timestamps,
            needs_answer: *needs_answer,
        })
    }
}

impl RestingSession {
    pub fn get_up(self) -> TcpSession {
        let usual = match self {
            Self::Whole(session) => return *session,
            Self::Usual(usual) => usual,
        };
        TcpSession {
            state: State::Established,
            halves: usual.halves.map(Half::get_up),
            midstream: usual.midstream,
            client_began: usual.client_began,
            server_confirmed: usual.server_confirmed,
            simultaneous: usual.simultaneous,
            client_md5: usual.client_md5,
            md5: usual.md5,
            timestamps: usual.timestamps,
            reset: None,
            reset_is_certain: false,
            reset_is_news: false,
            needs_answer: usual.needs_answer,
            other_syns: OtherSyns::default(),
            other_syn_ack: None,
        }
    }
}

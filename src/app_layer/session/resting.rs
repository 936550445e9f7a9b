//! The application layer of a flow that lies idle: most need only what they are.

use super::{AppLayer, FrameProtocols, Protocol, State, http1};

/// All of it, in less room where it is of the usual kind.
#[derive(Debug)]
pub enum RestingApp {
    #[doc(hidden)]
    Usual(Usual),
    /// A parser has something in hand.
    #[doc(hidden)]
    Whole(Box<AppLayer>),
}

#[derive(Debug)]
pub struct Usual {
    state: UsualState,
    first_id: u64,
    server_port: u16,
    datagrams_tried: u8,
    frames_asked: FrameProtocols,
}

#[derive(Debug)]
enum UsualState {
    Fresh,
    Unknown,
    Released(Protocol),
    /// Between two exchanges.
    Http1([u64; 2]),
}

impl AppLayer {
    /// Gives back what is not needed while no byte comes.
    pub fn give_back(&mut self) {
        if let State::Http1(parser) = &mut self.state {
            parser.give_back();
        }
    }

    pub fn lie_down(self) -> RestingApp {
        match self.usual() {
            Some(usual) => RestingApp::Usual(usual),
            None => RestingApp::Whole(Box::new(self)),
        }
    }

    fn usual(&self) -> Option<Usual> {
        let Self {
            state,
            before: None,
            upgrade: None,
            first_id,
            original: None,
            server_port,
            datagrams_tried,
            frames_asked,
            frames: None,
            seeking: [false, false],
        } = self
        else {
            return None;
        };
        let state = match state {
            State::Fresh => UsualState::Fresh,
            State::Unknown => UsualState::Unknown,
            State::Released(protocol) => UsualState::Released(*protocol),
            State::Http1(parser) => UsualState::Http1(parser.between_exchanges()?),
            State::Detecting(_) | State::Http2(_) | State::Tls(_) | State::Message(_) => {
                return None;
            }
        };
        Some(Usual {
            state,
            first_id: *first_id,
            server_port: *server_port,
            datagrams_tried: *datagrams_tried,
            frames_asked: *frames_asked,
        })
    }

    pub fn get_up(resting: RestingApp) -> Self {
        let usual = match resting {
            RestingApp::Whole(app) => return *app,
            RestingApp::Usual(usual) => usual,
        };
        let state = match usual.state {
            UsualState::Fresh => State::Fresh,
            UsualState::Unknown => State::Unknown,
            UsualState::Released(protocol) => State::Released(protocol),
            UsualState::Http1(between) => {
                State::Http1(Box::new(http1::Parser::standing_between(between)))
            }
        };
        Self {
            state,
            first_id: usual.first_id,
            server_port: usual.server_port,
            datagrams_tried: usual.datagrams_tried,
            frames_asked: usual.frames_asked,
            ..Self::default()
        }
    }
}

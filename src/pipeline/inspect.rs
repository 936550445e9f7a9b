//! In-order bytes through parser and signatures.

use super::flow_state::FlowState;
use super::passive::{CHUNK_BYTES, Unanswered};
use super::policy::WorkerConfig;
use super::worker::Engine;
use crate::app_layer::{AppLayer, Protocol};
use crate::counters::{Counter, Counters};
use crate::detect::{FlowContext, FlowDetect, Ruleset, StreamRules, StreamWindow};
use crate::direction::Direction;
use crate::stream::{Delivery, TcpSession, Window};

/// What in-order bytes meet, borrowed for one packet.
pub(super) struct Inspection<'a> {
    pub ruleset: &'a Ruleset,
    pub engine: &'a mut Engine,
    pub config: &'a WorkerConfig,
    pub counters: &'a Counters,
    pub ctx: FlowContext,
    pub app: &'a mut AppLayer,
    pub detect: &'a mut FlowDetect,
    pub windows: &'a mut [Window; 2],
    pub raw_bytes: &'a mut [u64; 2],
    /// One more than the id of the newest transaction seen, so that a new one is noticed.
    pub next_tx: &'a mut u64,
    pub has_gap: &'a mut bool,
    pub failed: &'a mut [bool; 2],
    /// Whether the bytes in hand are those of the packet in hand, and all of them.
    pub is_whole_packet: bool,
    /// Of a worker that only looks on: bytes that raw rules see once they are answered.
    pub unanswered: Option<&'a mut [Unanswered; 2]>,
}

impl<'a> Inspection<'a> {
    /// A flow's session, and what its bytes meet. Inlined: it is large.
    #[inline]
    pub fn of(
        state: &'a mut FlowState,
        ctx: FlowContext,
        ruleset: &'a Ruleset,
        engine: &'a mut Engine,
        config: &'a WorkerConfig,
        counters: &'a Counters,
    ) -> (Option<&'a mut TcpSession>, Self) {
        if config.passive && state.unanswered.is_none() {
            state.unanswered = Some(Box::default());
        }
        state.app.set_server_port(ctx.server.1);
        state.app.ask_for_frames(ruleset.frames_asked());
        let inspection = Self {
            ruleset,
            engine,
            config,
            counters,
            ctx,
            app: &mut state.app,
            detect: &mut state.detect,
            windows: &mut state.windows,
            raw_bytes: &mut state.raw_bytes,
            next_tx: &mut state.next_tx,
            has_gap: &mut state.has_gap,
            failed: &mut state.failed,
            is_whole_packet: false,
            unanswered: state.unanswered.as_deref_mut(),
        };
        (state.tcp.as_mut(), inspection)
    }
}

impl Inspection<'_> {
    /// Bytes of one direction, in order and for the first time; or a hole in them.
    pub fn deliver(&mut self, dir: Direction, delivery: Delivery<'_>) {
        let size = &mut self.ctx.stream_sizes[dir.index()];
        match delivery {
            Delivery::Bytes(bytes) => {
                *size += bytes.len() as u64;
                // Who speaks has taken what the other end said before.
                self.answered(dir.opposite());
                self.bytes(dir, bytes);
            }
            Delivery::Gap(missing) => {
                *size += missing;
                *self.has_gap = true;
                self.app.gap(dir, missing);
                self.skip(dir, missing);
                self.touched_transactions(dir);
            }
            Delivery::Restart => self.forget(),
            Delivery::Resume => self.resume(),
        }
    }

    /// Nothing that was delivered before counts any more.
    fn forget(&mut self) {
        self.detect.reset(&mut self.engine.scratch);
        self.engine.hits.clear();
        *self.app = AppLayer::default();
        *self.windows = Default::default();
        if let Some(both) = &mut self.unanswered {
            **both = Default::default();
        }
        *self.raw_bytes = [0, 0];
        *self.next_tx = 0;
        *self.has_gap = false;
        *self.failed = [false; 2];
        // The SYNs.
        self.ctx.stream_sizes = [1, 1];
        self.ctx.app = self.app.protocol();
        self.ctx.original_app = self.app.original();
    }

    /// The flow goes on at a place that nobody knows.
    pub fn resume(&mut self) {
        *self.has_gap = true;
        self.app.resume();
        self.detect.await_rules(&mut self.engine.scratch);
        *self.windows = Default::default();
        *self.raw_bytes = [0, 0];
        *self.failed = [false; 2];
    }

    /// What is buffered of the flow, held against a ruleset it has not met.
    pub fn again(&mut self) {
        for dir in Direction::BOTH {
            self.transactions(dir);
            self.window(dir);
        }
    }

    /// All that is buffered of a direction's transactions.
    fn transactions(&mut self, dir: Direction) {
        for tx in self.app.transactions() {
            self.ruleset.on_transaction(
                &mut self.engine.scratch,
                &self.ctx,
                self.detect,
                dir,
                tx,
                &mut self.engine.hits,
            );
        }
        for unit in self.app.units().filter(|unit| unit.direction() == dir) {
            self.ruleset.on_unit(
                &mut self.engine.scratch,
                &self.ctx,
                self.detect,
                unit,
                &mut self.engine.hits,
            );
        }
    }

    /// All that is kept of a direction's stream.
    fn window(&mut self, dir: Direction) {
        let window = std::mem::take(&mut self.windows[dir.index()]);
        if !window.bytes().is_empty() {
            let shown = StreamWindow {
                bytes: window.bytes(),
                start_offset: window.start_offset(),
                new_from: 0,
                rules: StreamRules::All,
            };
            self.show(dir, shown);
        }
        self.windows[dir.index()] = window;
    }

    /// The end of a direction can complete a body that has no other end.
    pub fn eof(&mut self, dir: Direction) {
        self.flush(dir);
        self.app.eof(dir, &self.config.app_layer);
        self.touched_transactions(dir);
    }

    /// Raw signatures go before those on transactions, which may wait for them, but
    /// behind the parser's first step, which may tell the protocol.
    fn bytes(&mut self, dir: Direction, bytes: &[u8]) {
        self.recognise_expected();
        let beyond_before = self.app.beyond_limit(dir);
        let mut rest = bytes;
        let mut raw_done = false;
        while !rest.is_empty() && self.app.protocol() != Protocol::Unknown {
            let was_open = self.app.protocol() == Protocol::Undetermined;
            let was_seeking = self.app.is_seeking();
            let progress = self.app.data(dir, rest, &self.config.app_layer);
            // Both ends are in step again: from here on, a parser is to blame for what it cannot read.
            *self.has_gap &= !was_seeking || self.app.is_seeking();
            self.note_protocol();
            self.note_expected();
            self.note_new_transactions();
            // What the other end said before waited for the protocol as well.
            if was_open && self.ctx.app != Protocol::Undetermined && self.has_spoken(dir.opposite())
            {
                if self.has_protocol() {
                    self.flush(dir.opposite());
                }
                self.window(dir.opposite());
                self.transactions(dir.opposite());
            }
            if !std::mem::replace(&mut raw_done, true) {
                self.raw(dir, bytes);
            }
            self.touched_transactions(dir);
            // A match still needs its transaction for the record.
            if self.engine.hits.is_empty() && self.engine.gate.hits.is_empty() {
                self.app.take_finished();
            }
            rest = rest.get(progress.consumed.max(1)..).unwrap_or_default();
        }
        if !raw_done {
            self.raw(dir, bytes);
        }
        let beyond = self.app.beyond_limit(dir).saturating_sub(beyond_before);
        if beyond > 0 {
            self.counters.add(Counter::BeyondDepthBytes, beyond);
        }
    }

    /// Whether another flow has announced this one.
    fn recognise_expected(&mut self) {
        if self.engine.expected.is_empty() || !self.app.is_fresh() {
            return;
        }
        let (opener, now) = (self.ctx.client.0, self.ctx.now);
        let announced = self.engine.expected.take(opener, self.ctx.server, now);
        if let Some(expected) = announced {
            self.app.begin_expected(expected);
        }
    }

    /// What this flow announces.
    fn note_expected(&mut self) {
        let Some(expected) = self.app.take_expected() else {
            return;
        };
        let (client, server) = (self.ctx.client.0, self.ctx.server.0);
        let (opener, other) = match expected.opener() {
            Direction::ToServer => (client, server),
            Direction::ToClient => (server, client),
        };
        let now = self.ctx.now;
        self.engine.expected.add(opener, other, expected, now);
    }

    fn note_protocol(&mut self) {
        let protocol = self.app.protocol();
        if protocol == self.ctx.app {
            return;
        }
        self.detect.expect_protocol();
        self.ctx.app = protocol;
        self.ctx.original_app = self.app.original();
    }

    /// A datagram of a protocol whose messages come in such.
    pub fn datagram(&mut self, dir: Direction, bytes: &[u8]) {
        if !self.app.datagram(dir, bytes, &self.config.app_layer) {
            return;
        }
        self.note_protocol();
        self.note_new_transactions();
        self.touched_transactions(dir);
        if self.engine.hits.is_empty() && self.engine.gate.hits.is_empty() {
            self.app.take_finished();
        }
    }

    /// Raw signatures get their whole depth again with each transaction: padding a
    /// connection does not blind them to what comes later on it.
    fn note_new_transactions(&mut self) {
        let next = self.app.newest_transaction().map(|newest| newest + 1);
        if let Some(next) = next
            && next != *self.next_tx
        {
            self.counters.add(Counter::Transactions, 1);
            *self.next_tx = next;
            *self.raw_bytes = [0, 0];
        }
    }

    fn touched_transactions(&mut self, dir: Direction) {
        self.ask_firewall(dir);
        if self.engine.gate.denial.is_some() {
            return;
        }
        let (scratch, hits) = (&mut self.engine.scratch, &mut self.engine.hits);
        self.app.touched().for_each(|tx| {
            self.ruleset
                .on_transaction(scratch, &self.ctx, self.detect, dir, tx, hits);
        });
        self.app.touched_units().for_each(|unit| {
            self.ruleset
                .on_unit(scratch, &self.ctx, self.detect, unit, hits);
        });
    }

    /// Whether a firewall accepts the states that transactions have come to; also the state that
    /// one stays in though its bytes go on.
    fn ask_firewall(&mut self, dir: Direction) {
        if !self.engine.gate.asks_hooks {
            return;
        }
        let newest = self.app.transactions().last();
        let staying =
            newest.filter(|tx| self.app.touched().next().is_none() && !tx.is_complete(dir));
        for tx in self.app.touched().chain(staying) {
            let engine = &mut *self.engine;
            let ruled = self.ruleset.firewall_on_transaction(
                &mut engine.scratch,
                &self.ctx,
                self.detect,
                dir,
                tx,
                &mut engine.gate.hits,
            );
            let goes_on = engine.gate.take(ruled);
            if !goes_on {
                return;
            }
        }
    }

    fn raw(&mut self, dir: Direction, bytes: &[u8]) {
        let given = &mut self.raw_bytes[dir.index()];
        let room = self.config.stream_depth_bytes.saturating_sub(*given);
        let inspected = usize::try_from(room).map_or(bytes.len(), |room| room.min(bytes.len()));
        let (bytes, beyond) = bytes.split_at(inspected);
        *given += bytes.len() as u64;
        if !beyond.is_empty() {
            self.is_whole_packet = false;
            self.counters
                .add(Counter::BeyondDepthBytes, beyond.len() as u64);
        }
        if !bytes.is_empty() {
            self.counters
                .add(Counter::InspectedBytes, bytes.len() as u64);
            self.raw_inspected(dir, bytes);
        }
        if !beyond.is_empty() {
            self.skip(dir, beyond.len() as u64);
        }
    }

    /// Raw rules do not see so many bytes.
    fn skip(&mut self, dir: Direction, bytes: u64) {
        self.flush(dir);
        self.windows[dir.index()].skip(bytes);
        if let Some(both) = &mut self.unanswered {
            both[dir.index()].window.skip(bytes);
        }
    }

    fn raw_inspected(&mut self, dir: Direction, bytes: &[u8]) {
        let Some(both) = &mut self.unanswered else {
            self.prompt(dir, bytes, StreamRules::All);
            if self.is_whole_packet {
                self.engine.scratch.packet_was_shown();
            }
            return;
        };
        let waiting = &mut both[dir.index()];
        waiting.pending.extend_from_slice(bytes);
        let length = waiting.pending.len();
        // Without transactions there is nothing that prompt rules would have to be in time for.
        if self.has_protocol() {
            self.show_prompt(dir);
        }
        if length >= CHUNK_BYTES {
            self.flush(dir);
        }
    }

    fn prompt(&mut self, dir: Direction, bytes: &[u8], rules: StreamRules) {
        let mut window = std::mem::take(&mut self.windows[dir.index()]);
        self.on_stream(dir, &mut window, bytes, rules);
        self.windows[dir.index()] = window;
    }

    /// The receiver has taken what this direction said so far.
    fn answered(&mut self, dir: Direction) {
        if self.has_protocol() {
            self.flush(dir);
        }
    }

    /// Whether a direction has sent more than its SYN.
    fn has_spoken(&self, dir: Direction) -> bool {
        self.ctx.stream_sizes[dir.index()] > 1
    }

    fn has_protocol(&self) -> bool {
        !matches!(self.ctx.app, Protocol::Unknown | Protocol::Undetermined)
    }

    /// Pending bytes that prompt rules have not seen yet.
    fn show_prompt(&mut self, dir: Direction) {
        let Some(both) = &mut self.unanswered else {
            return;
        };
        let waiting = std::mem::take(&mut both[dir.index()]);
        let fresh = waiting.pending.get(waiting.shown..).unwrap_or_default();
        if !fresh.is_empty() {
            self.prompt(dir, fresh, StreamRules::Prompt);
        }
        if let Some(both) = &mut self.unanswered {
            both[dir.index()] = Unanswered {
                shown: waiting.pending.len(),
                ..waiting
            };
        }
    }

    /// The rules that waited for more of this direction look at it.
    pub fn flush(&mut self, dir: Direction) {
        self.show_prompt(dir);
        let Some(both) = &mut self.unanswered else {
            return;
        };
        let Unanswered {
            mut window,
            mut pending,
            ..
        } = std::mem::take(&mut both[dir.index()]);
        if !pending.is_empty() {
            self.on_stream(dir, &mut window, &pending, StreamRules::Patient);
            pending.clear();
        }
        if let Some(both) = &mut self.unanswered {
            both[dir.index()] = Unanswered {
                window,
                pending,
                shown: 0,
            };
        }
    }

    fn on_stream(&mut self, dir: Direction, window: &mut Window, bytes: &[u8], rules: StreamRules) {
        let Some(keep) = self.ruleset.stream_window_bytes(&self.ctx, dir) else {
            window.skip(bytes.len() as u64);
            return;
        };
        // Where no kept byte can be of interest any more, the new ones need not be copied.
        let (beside_kept, alone) = if window.bytes().is_empty() || keep == 0 {
            (0, bytes.len())
        } else if bytes.len() > 2 * keep {
            (keep, bytes.len() - keep)
        } else {
            (bytes.len(), 0)
        };
        if beside_kept > 0 {
            let new_at = window.end_offset();
            let (shown, new_from) = window.append(&bytes[..beside_kept], keep);
            let shown = StreamWindow {
                bytes: shown,
                start_offset: new_at - new_from as u64,
                new_from,
                rules,
            };
            self.show(dir, shown);
        }
        if alone > 0 {
            let shown = StreamWindow {
                bytes,
                start_offset: window.end_offset() - beside_kept as u64,
                new_from: beside_kept,
                rules,
            };
            self.show(dir, shown);
            window.replace(&bytes[beside_kept..], keep);
        }
    }

    fn show(&mut self, dir: Direction, window: StreamWindow<'_>) {
        self.ruleset.on_stream(
            &mut self.engine.scratch,
            &self.ctx,
            self.detect,
            dir,
            window,
            &mut self.engine.hits,
        );
    }
}

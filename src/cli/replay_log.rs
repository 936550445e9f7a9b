//! The event log of a replay: each record at once, in one file.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use super::Failure;
use crate::decode::LinkType;
use crate::output::{FILE_NAME, Record, StatsRecord};
use crate::pipeline::{Event, EventSink, Reassembled, Reset};

/// Unlike the daemon's log it may wait, so nothing is lost.
pub struct ReplayLog {
    path: PathBuf,
    out: BufWriter<File>,
    line: Vec<u8>,
    /// Whether each flow has a record.
    flows: bool,
    /// The first error; nothing is written behind it.
    error: Option<io::Error>,
    sent_on: Vec<SentOn>,
}

/// A frame that goes on in place of those received.
pub struct SentOn {
    pub link: LinkType,
    pub bytes: Vec<u8>,
}

impl ReplayLog {
    /// Begins `dir`'s log anew.
    pub fn create(dir: &Path, flows: bool) -> Result<Self, Failure> {
        let failure = |path: &Path, e: io::Error| Failure(format!("{}: {e}", path.display()));
        std::fs::create_dir_all(dir).map_err(|e| failure(dir, e))?;
        let path = dir.join(FILE_NAME);
        let file = File::create(&path).map_err(|e| failure(&path, e))?;
        Ok(Self {
            path,
            out: BufWriter::new(file),
            line: Vec::new(),
            flows,
            error: None,
            sent_on: Vec::new(),
        })
    }

    /// The fragments that went on since the last call, cut anew.
    pub fn sent_on(&mut self) -> Vec<SentOn> {
        std::mem::take(&mut self.sent_on)
    }

    pub fn stats(&mut self, record: StatsRecord) {
        self.write(&Record::Stats(Box::new(record)));
    }

    /// Writes out what is buffered.
    ///
    /// # Errors
    /// The first that any write had.
    pub fn finish(mut self) -> Result<(), Failure> {
        match self.error.take() {
            Some(error) => Err(error),
            None => self.out.flush(),
        }
        .map_err(|e| Failure(format!("{}: {e}", self.path.display())))
    }

    fn write(&mut self, record: &Record) {
        if self.error.is_some() {
            return;
        }
        self.line.clear();
        record.write_line(&mut self.line);
        self.error = self.out.write_all(&self.line).err();
    }
}

impl EventSink for ReplayLog {
    fn event(&mut self, event: Event<'_>) {
        if matches!(event, Event::Flow(_)) && !self.flows {
            return;
        }
        self.write(&event.into());
    }

    /// Recorded ends hear no answer.
    fn reset(&mut self, _: Reset) {}

    fn reassembled(&mut self, datagram: Reassembled<'_>) {
        let cut = &datagram.cut;
        let mut offset = Some(0);
        while let Some(at) = offset {
            let mut bytes = datagram.link_header.to_vec();
            offset = cut.write(datagram.datagram, at, cut.fragment_bytes(), &mut bytes);
            if !datagram.wrapping.fit(&mut bytes) {
                return;
            }
            self.sent_on.push(SentOn {
                link: datagram.link,
                bytes,
            });
        }
    }
}

//! Units of frames, which rules meet as transactions of one direction.

use super::{Transaction, View};
use crate::app_layer::{Event, Frame, Protocol, Unit};
use crate::buffer::Buffer;
use crate::direction::Direction;
use crate::number::{Number, Place};

/// What a transaction is at when nothing more comes.
const COMPLETE: u8 = 4;

fn frame(unit: &Unit, buffer: Buffer, direction: Direction, instance: usize) -> Option<&Frame> {
    if direction != unit.direction() {
        return None;
    }
    unit.frames(buffer).nth(instance)
}

impl Transaction for &Unit {
    fn protocol(&self) -> Protocol {
        Unit::protocol(self)
    }

    fn id(&self) -> u64 {
        Unit::id(self)
    }

    fn revision(&self, _: Direction) -> u32 {
        Unit::revision(self)
    }

    fn progress(&self, direction: Direction) -> u8 {
        if self.is_complete(direction) {
            COMPLETE
        } else {
            0
        }
    }

    fn is_complete(&self, direction: Direction) -> bool {
        self.ended() || direction != self.direction()
    }

    fn events(&self) -> &[Event] {
        &[]
    }

    fn amendable_bytes(&self, _: Direction) -> usize {
        0
    }

    fn instances(&self, buffer: Buffer, direction: Direction) -> usize {
        if direction == self.direction() {
            self.frames(buffer).count()
        } else {
            0
        }
    }

    fn view(&self, buffer: Buffer, direction: Direction, instance: usize) -> Option<View<'_>> {
        let (bytes, complete) = Unit::view(self, frame(self, buffer, direction, instance)?);
        Some(View { bytes, complete })
    }

    fn is_settled(&self, _: Buffer, direction: Direction) -> bool {
        self.is_complete(direction)
    }

    fn may_come(&self, _: Buffer) -> bool {
        true
    }

    fn is_unit(&self) -> bool {
        true
    }

    fn growing(&self, _: Direction) -> (usize, bool) {
        (self.kept_bytes(), self.ended())
    }

    fn has_number(&self, _: Number, _: Direction, _: &dyn Fn(u64) -> bool) -> bool {
        false
    }

    fn has_number_at(&self, _: Number, _: Direction, _: Place, _: &dyn Fn(u64) -> bool) -> bool {
        false
    }
}

//! A NOR flash in RAM, which is erased in pages and written in words.

use core::ops::Range;

use embedded_storage::nor_flash::{ErrorType, NorFlash, NorFlashError, NorFlashErrorKind, ReadNorFlash};

const PAGE: usize = 4096;
const LEN: usize = 4 * PAGE;

/// Four pages of 4096 bytes, erased.
pub struct RamFlash {
    cells: [u8; LEN],
}

impl RamFlash {
    /// The range of all pages.
    pub const REGION: Range<u32> = 0..LEN as u32;

    /// Creates an erased flash.
    #[must_use]
    pub const fn new() -> Self {
        Self { cells: [0xFF; LEN] }
    }

    fn part(&mut self, from: u32, len: usize) -> Result<&mut [u8], OutOfBounds> {
        let from = usize::try_from(from).map_err(|_| OutOfBounds)?;
        let to = from.checked_add(len).ok_or(OutOfBounds)?;
        self.cells.get_mut(from..to).ok_or(OutOfBounds)
    }
}

/// An address is outside the flash.
#[derive(Clone, Copy, Debug)]
pub struct OutOfBounds;

impl NorFlashError for OutOfBounds {
    fn kind(&self) -> NorFlashErrorKind {
        NorFlashErrorKind::OutOfBounds
    }
}

impl ErrorType for RamFlash {
    type Error = OutOfBounds;
}

impl ReadNorFlash for RamFlash {
    const READ_SIZE: usize = 1;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), OutOfBounds> {
        let part = self.part(offset, bytes.len())?;
        bytes.iter_mut().zip(part).for_each(|(byte, cell)| *byte = *cell);
        Ok(())
    }

    fn capacity(&self) -> usize {
        LEN
    }
}

impl NorFlash for RamFlash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), OutOfBounds> {
        let len = usize::try_from(to.saturating_sub(from)).map_err(|_| OutOfBounds)?;
        self.part(from, len)?.fill(0xFF);
        Ok(())
    }

    /// A write can only change bits from 1 to 0.
    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), OutOfBounds> {
        let part = self.part(offset, bytes.len())?;
        part.iter_mut().zip(bytes).for_each(|(cell, byte)| *cell &= *byte);
        Ok(())
    }
}

//! What text is in a zip, its defects counted in?

use crate::{
    model::Quantity,
    sim::{
        archive::{
            edition::Edition,
            faults::Defect,
            key::File,
            rows::{Row, Rows, header},
        },
        exchange::Exchange,
    },
};
use std::{collections::VecDeque, sync::Arc};

/// Text made at once.
const PIECE_BYTES: usize = 64 << 10;

/// The lines of one edition of a file, made as they are read.
#[derive(Debug)]
pub(super) struct Csv {
    exchange: Arc<Exchange>,
    contract: usize,
    step: Quantity,
    header: Option<&'static str>,
    /// The first gives the next row, then goes to the end.
    turns: VecDeque<Rows>,
    count: u64,
    next: Option<Row>,
    again: Option<Row>,
    end_of_line: &'static str,
    is_last_line_cut: bool,
    zeros: u64,
    defects: Vec<Defect>,
}

impl Csv {
    pub(super) fn new(exchange: &Arc<Exchange>, file: &File, edition: &Edition) -> Self {
        let has = |defect| edition.defects.contains(&defect);
        let (from, to) = (file.start, file.end());
        let middle = from + (to - from) / 2;
        let spans = if has(Defect::Interleaved) { vec![(from, middle), (middle, to)] } else { vec![(from, to)] };
        let zeros = |defect: &Defect| if let Defect::Zeros { bytes } = defect { *bytes } else { 0 };
        let mut csv = Self {
            exchange: exchange.clone(),
            contract: file.shelf.contract,
            step: exchange.contracts()[file.shelf.contract].step,
            header: (!has(Defect::NoHeader)).then(|| header(file.shelf.dataset)),
            turns: spans.into_iter().map(|span| Rows::new(exchange, file, span)).collect(),
            count: 0,
            next: None,
            again: None,
            end_of_line: if has(Defect::CarriageReturns) { "\r\n" } else { "\n" },
            is_last_line_cut: has(Defect::LastLineCut),
            zeros: edition.defects.iter().map(zeros).sum(),
            defects: edition.defects.clone(),
        };
        csv.next = csv.row();
        csv
    }

    /// Replaces `out` with the next piece; it is empty after the last.
    pub(super) fn read(&mut self, out: &mut String) {
        out.clear();
        if let Some(header) = self.header.take() {
            out.push_str(header);
            out.push_str(self.end_of_line);
        }
        while out.len() < PIECE_BYTES
            && let Some(row) = self.next
        {
            self.next = self.row();
            let start = out.len();
            row.write(&self.exchange, self.contract, out);
            if self.next.is_none() && self.is_last_line_cut {
                out.truncate(start + (out.len() - start) / 2);
            } else {
                out.push_str(self.end_of_line);
            }
        }
        while out.len() < PIECE_BYTES && self.zeros > 0 {
            let zeros = usize::try_from(self.zeros).unwrap_or(usize::MAX).min(PIECE_BYTES - out.len());
            out.extend(std::iter::repeat_n('\0', zeros));
            self.zeros -= zeros as u64;
        }
    }

    /// The next row that is not missing, as it is to be shown.
    fn row(&mut self) -> Option<Row> {
        if let Some(row) = self.again.take() {
            return Some(row);
        }
        let row = loop {
            let row = self.turn()?;
            if !self.defects.iter().any(|defect| is_missing(defect, row.id())) {
                break row;
            }
        };
        let is_wrong = self.defects.contains(&Defect::WrongRow { id: row.id() });
        let row = if is_wrong { row.falsified(self.step) } else { row };
        self.count += 1;
        if self.defects.iter().any(|defect| repeats(defect, self.count)) {
            self.again = Some(row);
        }
        Some(row)
    }

    fn turn(&mut self) -> Option<Row> {
        loop {
            let mut rows = self.turns.pop_front()?;
            if let Some(row) = rows.next() {
                self.turns.push_back(rows);
                return Some(row);
            }
        }
    }
}

fn is_missing(defect: &Defect, id: u64) -> bool {
    matches!(defect, Defect::MissingRows { first, last } if (*first..=*last).contains(&id))
}

fn repeats(defect: &Defect, count: u64) -> bool {
    matches!(defect, Defect::Duplicates { every } if count.is_multiple_of(u64::from((*every).max(1))))
}

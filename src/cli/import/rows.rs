//! The rows of a file in either format, one at a time, with the line each begins on.

use super::row::{Column, CustomerRow, Rules};
use anyhow::{Context, anyhow, bail};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};

/// Bytes of a line of JSON.
const LINE_LIMIT: u64 = 1024 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    Csv,
    Jsonl,
}

impl Format {
    pub fn of_extension(extension: &str) -> Option<Self> {
        match extension.to_ascii_lowercase().as_str() {
            "csv" => Some(Self::Csv),
            "jsonl" | "ndjson" | "json" => Some(Self::Jsonl),
            _ => None,
        }
    }
}

/// A row, or why it is bad.
pub type Row = (u64, Result<CustomerRow, String>);

type Reader = BufReader<Box<dyn Read + Send>>;

pub struct Rows<'r> {
    rules: &'r Rules,
    source: Lines,
}

enum Lines {
    Csv { reader: Box<csv::Reader<Reader>>, columns: Vec<Column>, record: csv::StringRecord },
    Json { reader: Reader, line: u64, position: u64 },
}

impl<'r> Rows<'r> {
    /// Reads the header of a CSV file: a column that nobody knows stops the import before it began.
    pub fn open(reader: Box<dyn Read + Send>, format: Option<Format>, rules: &'r Rules) -> anyhow::Result<Self> {
        let mut reader: Reader = BufReader::with_capacity(1 << 16, reader);
        let format = match format {
            Some(format) => format,
            None => match reader.fill_buf()?.iter().find(|byte| !byte.is_ascii_whitespace()) {
                Some(b'{') => Format::Jsonl,
                Some(_) | None => Format::Csv,
            },
        };
        let source = match format {
            Format::Jsonl => Lines::Json { reader, line: 0, position: 0 },
            Format::Csv => {
                let mut reader = csv::ReaderBuilder::new().from_reader(reader);
                let header = reader.headers().context("the file has no header that can be read")?;
                let columns = rules.columns(header.iter()).map_err(|reason| anyhow!(reason))?;
                Lines::Csv { reader: Box::new(reader), columns, record: csv::StringRecord::new() }
            }
        };
        Ok(Self { rules, source })
    }

    /// Bytes read so far.
    pub fn position(&self) -> u64 {
        match &self.source {
            Lines::Csv { reader, .. } => reader.position().byte(),
            Lines::Json { position, .. } => *position,
        }
    }

    /// The next row; None: the end. An error is one of reading the file, after which nothing can be read.
    pub fn next_row(&mut self) -> anyhow::Result<Option<Row>> {
        match &mut self.source {
            Lines::Csv { reader, columns, record } => {
                let line = reader.position().line();
                match reader.read_record(record) {
                    Ok(false) => Ok(None),
                    Ok(true) => {
                        let line = record.position().map_or(line, csv::Position::line);
                        Ok(Some((line, self.rules.of_fields(columns, record.iter()))))
                    }
                    Err(error) => match error.kind() {
                        csv::ErrorKind::Io(_) => Err(error).context("the file cannot be read"),
                        csv::ErrorKind::Utf8 { .. } => Ok(Some((line, Err("the row is not UTF-8".into())))),
                        csv::ErrorKind::UnequalLengths { expected_len, len, .. } => {
                            Ok(Some((line, Err(format!("the row has {len} fields, the header {expected_len}")))))
                        }
                        _ => Ok(Some((line, Err("the row is not CSV".into())))),
                    },
                }
            }
            Lines::Json { reader, line, position } => {
                let mut text = Vec::new();
                loop {
                    text.clear();
                    let read = reader.by_ref().take(LINE_LIMIT).read_until(b'\n', &mut text).context("the file cannot be read")?;
                    if read == 0 {
                        return Ok(None);
                    }
                    *line += 1;
                    *position += read as u64;
                    if read as u64 == LINE_LIMIT && !text.ends_with(b"\n") {
                        bail!("line {line} is longer than {LINE_LIMIT} bytes: is this a file of JSON lines?");
                    }
                    if !text.trim_ascii().is_empty() {
                        break;
                    }
                }
                let row = match serde_json::from_slice::<Value>(&text) {
                    Ok(Value::Object(object)) => self.rules.of_object(&object),
                    Ok(_) => Err("a line must be a JSON object".into()),
                    Err(error) => Err(format!("the line is not JSON, at column {}", error.column())),
                };
                Ok(Some((*line, row)))
            }
        }
    }
}

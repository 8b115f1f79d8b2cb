//! Where each field of a YAML document stands: what is wrong is told with its line and column, in block style and in flow style.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, fmt, ops::Range};

/// The place of each path (`spec.steps[2].wait.for`) of one document.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    document: Vec<String>,
    by_path: BTreeMap<String, Place>,
    /// Lines before the document's first.
    before: usize,
}

/// A part of one line of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Spot {
    /// From 1.
    pub line: usize,
    /// From 1, in characters.
    pub column: usize,
    /// Characters, at least 1.
    pub length: usize,
}

#[derive(Debug, Clone)]
struct Place {
    /// The field's name; of an item of a list the item itself. Lines are the document's.
    name: Spot,
    /// Where the value begins, and the value, where it is one text, number or boolean.
    value: Option<(Spot, Option<String>)>,
}

impl Lines {
    /// Of a document whose first line is `first` of its file. One that cannot be read has no lines but that.
    pub fn of(document: &str, first: usize) -> Self {
        let mut lines = Self {
            document: document.lines().map(str::to_owned).collect(),
            by_path: BTreeMap::new(),
            before: first - 1,
        };
        if let Ok(Some(root)) =
            serde_saphyr::from_str_with_options::<Option<Node>>(document, super::read::options(true))
        {
            lines.note(&root, "");
        }
        lines
    }

    /// Where the path stands, or of what is not there the nearest that it would be in. `part`: bytes of the text that stands there.
    pub fn spot(&self, path: &str, part: Option<&Range<usize>>) -> Spot {
        let spot = match self.by_path.get(path) {
            Some(place) => self.value(place, part).unwrap_or(place.name),
            None => self.around(path),
        };
        Spot {
            line: self.before + spot.line,
            ..spot
        }
    }

    /// Where the name of the field at this path stands: what is wrong is the name.
    pub fn name(&self, path: &str) -> Spot {
        let spot = self
            .by_path
            .get(path)
            .map_or_else(|| self.around(path), |place| place.name);
        Spot {
            line: self.before + spot.line,
            ..spot
        }
    }

    /// The line of [`Lines::spot`].
    pub fn at(&self, path: &str) -> usize {
        self.spot(path, None).line
    }

    /// The text of a line of the file.
    pub fn text(&self, line: usize) -> Option<&str> {
        let line = self.document.get(line.checked_sub(self.before + 1)?)?;
        Some(line)
    }

    fn around(&self, path: &str) -> Spot {
        let mut path = path;
        while let Some(end) = path.rfind(['.', '[']) {
            path = &path[..end];
            if let Some(place) = self.by_path.get(path) {
                return place.name;
            }
        }
        Spot {
            line: 1,
            column: 1,
            length: 1,
        }
    }

    /// The value, or the part of it, where it stands in one line.
    fn value(&self, place: &Place, part: Option<&Range<usize>>) -> Option<Spot> {
        let (start, text) = place.value.as_ref()?;
        let rest = self.rest(*start)?;
        let Some(text) = text else {
            // A number or a boolean: to where it ends.
            let length = rest.find([',', '}', ']', '#', ' ']).unwrap_or(rest.len());
            let there = length > 0 && !rest.starts_with(':');
            return (start.line == place.name.line && there).then(|| Spot {
                length: chars(&rest[..length]),
                ..*start
            });
        };
        let quote = usize::from(rest.starts_with(['"', '\'']));
        let whole = !text.is_empty() && rest[quote..].starts_with(text.as_str());
        match part.and_then(|part| Some((part, text.get(part.clone())?))) {
            Some((part, _)) if whole => Some(Spot {
                column: start.column + quote + chars(&text[..part.start]),
                length: chars(&text[part.clone()]).max(1),
                ..*start
            }),
            Some((part, piece)) => self.searched(*start, text, part.start, piece),
            None if whole && start.line == place.name.line => Some(Spot {
                length: chars(text) + 2 * quote,
                ..*start
            }),
            None => None,
        }
    }

    /// A piece of a text that is written in several lines, or with escapes: in the line that it must be in.
    fn searched(&self, start: Spot, text: &str, at: usize, piece: &str) -> Option<Spot> {
        let piece = piece.lines().next().filter(|piece| !piece.trim().is_empty())?;
        let line_of_text = text[..at].matches('\n').count();
        let begin = text[..at].rfind('\n').map_or(0, |end| end + 1);
        let (before, whole) = (&text[begin..at], text[begin..].lines().next().unwrap_or_default());
        // The lines of a block stand below the sign that opens it; what is folded stands above where it would be.
        let block = [start.line + line_of_text + 1, start.line + line_of_text];
        let exact = block.into_iter().find_map(|line| {
            let source = self.document.get(line - 1)?;
            let indent = source.find(whole).filter(|_| !whole.trim().is_empty())?;
            Some(Spot {
                line,
                column: 1 + chars(&source[..indent]) + chars(before),
                length: chars(piece),
            })
        });
        exact.or_else(|| {
            let rest = self.rest(start)?;
            let found = rest.find(piece)?;
            Some(Spot {
                column: start.column + chars(&rest[..found]),
                length: chars(piece),
                ..start
            })
        })
    }

    /// What stands in a line from there on.
    fn rest(&self, spot: Spot) -> Option<&str> {
        let line = self.document.get(spot.line.checked_sub(1)?)?;
        let (at, _) = line.char_indices().nth(spot.column.checked_sub(1)?)?;
        line.get(at..)
    }

    fn note(&mut self, node: &Node, path: &str) {
        match node {
            Node::Scalar(_) => {}
            Node::Fields(fields) => {
                for (name, value) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{}", name.value);
                    let spot = Spot {
                        length: chars(&name.value).max(1),
                        ..spot(name)
                    };
                    self.by_path.insert(path.clone(), place(spot, value));
                    self.note(&value.value, &path);
                }
            }
            Node::Items(items) => {
                for (n, item) in items.iter().enumerate() {
                    let path = format!("{path}[{n}]");
                    self.by_path.insert(path.clone(), place(spot(item), item));
                    self.note(&item.value, &path);
                }
            }
        }
    }
}

fn chars(text: &str) -> usize {
    text.chars().count()
}

fn place(name: Spot, value: &Spanned<Node>) -> Place {
    let scalar = match &value.value {
        Node::Scalar(text) => Some((spot(value), text.clone())),
        Node::Fields(_) | Node::Items(_) => None,
    };
    Place { name, value: scalar }
}

fn spot<T>(of: &Spanned<T>) -> Spot {
    let number = |n: u64| usize::try_from(n).unwrap_or(1).max(1);
    Spot {
        line: number(of.referenced.line()),
        column: number(of.referenced.column()),
        length: 1,
    }
}

enum Node {
    /// A text; None: a number, a boolean or nothing.
    Scalar(Option<String>),
    Fields(Vec<(Spanned<String>, Spanned<Node>)>),
    Items(Vec<Spanned<Node>>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Node;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("YAML")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
        let mut fields = vec![];
        while let Some(name) = map.next_key()? {
            fields.push((name, map.next_value()?));
        }
        Ok(Node::Fields(fields))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Node, A::Error> {
        let mut items = vec![];
        while let Some(item) = seq.next_element()? {
            items.push(item);
        }
        Ok(Node::Items(items))
    }

    fn visit_bool<E>(self, _: bool) -> Result<Node, E> {
        Ok(Node::Scalar(None))
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar(None))
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar(None))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar(None))
    }

    fn visit_str<E>(self, text: &str) -> Result<Node, E> {
        Ok(Node::Scalar(Some(text.to_owned())))
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(None))
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar(None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "kind: Journey\nspec:\n  steps:\n  - name: a\n    wait:\n      for: 1h\n  - name: b\n    send: {touchpoint: t,\n      with: {x: 1}}\n  list: [a,\n    b]\n  text: |\n    one\n    two three\n  when: \"ä && x\"\n  plain: a.b > c\n  folded: >\n    four\n    five\n  end:\n";

    fn spot(line: usize, column: usize, length: usize) -> Spot {
        Spot { line, column, length }
    }

    #[test]
    fn a_path_has_the_place_of_its_value_or_of_its_name() {
        let lines = Lines::of(DOCUMENT, 11);
        for (path, expected) in [
            ("kind", spot(11, 7, 7)),
            ("spec.steps", spot(13, 3, 5)),
            ("spec.steps[0]", spot(14, 5, 1)),
            ("spec.steps[0].wait.for", spot(16, 12, 2)),
            ("spec.steps[1].send.touchpoint", spot(18, 24, 1)),
            ("spec.steps[1].send.with.x", spot(19, 17, 1)),
            ("spec.list[1]", spot(21, 5, 1)),
            ("spec.text", spot(22, 3, 4)),
            ("spec.when", spot(25, 9, 8)),
            ("spec.end", spot(30, 3, 3)),
            // What is missing would stand in what is there.
            ("spec.steps[0].wait.until[0].event", spot(15, 5, 4)),
            ("metadata.name", spot(11, 1, 1)),
        ] {
            assert_eq!(lines.spot(path, None), expected, "{path}");
        }
        assert_eq!(lines.text(16), Some("      for: 1h"));
        assert_eq!(Lines::of("a: [", 3).spot("a", None), spot(3, 1, 1));
    }

    #[test]
    fn a_part_of_a_text_has_its_own_place() {
        let lines = Lines::of(DOCUMENT, 1);
        for (path, part, expected) in [
            ("spec.when", 6..7, spot(15, 15, 1)),
            ("spec.plain", 6..7, spot(16, 16, 1)),
            ("spec.text", 8..13, spot(14, 9, 5)),
            // What cannot be found has the place of the whole.
            ("spec.text", 90..91, spot(12, 3, 4)),
        ] {
            assert_eq!(lines.spot(path, Some(&part)), expected, "{path} {part:?}");
        }
    }
}

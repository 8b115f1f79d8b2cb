//! Where each field of a YAML document stands: what is wrong is told with its line, in block style and in flow style.

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor},
};
use serde_saphyr::Spanned;
use std::{collections::BTreeMap, fmt};

/// The line of each path (`spec.steps[2].wait.for`) of one document.
#[derive(Debug, Clone, Default)]
pub struct Lines {
    by_path: BTreeMap<String, usize>,
    /// Lines before the document's first.
    before: usize,
}

impl Lines {
    /// Of a document whose first line is `first` of its file. One that cannot be read has no lines but that.
    pub fn of(document: &str, first: usize) -> Self {
        let mut lines = Self {
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

    /// Where the path stands, or of what is not there the nearest that it would be in.
    pub fn at(&self, path: &str) -> usize {
        let mut path = path;
        loop {
            if let Some(line) = self.by_path.get(path) {
                return self.before + line;
            }
            match path.rfind(['.', '[']) {
                Some(end) => path = &path[..end],
                None => return self.before + 1,
            }
        }
    }

    fn note(&mut self, node: &Node, path: &str) {
        match node {
            Node::Scalar => {}
            Node::Fields(fields) => {
                for (name, value) in fields {
                    let dot = if path.is_empty() { "" } else { "." };
                    let path = format!("{path}{dot}{}", name.value);
                    self.by_path.insert(path.clone(), line(name));
                    self.note(&value.value, &path);
                }
            }
            Node::Items(items) => {
                for (n, item) in items.iter().enumerate() {
                    let path = format!("{path}[{n}]");
                    self.by_path.insert(path.clone(), line(item));
                    self.note(&item.value, &path);
                }
            }
        }
    }
}

fn line<T>(of: &Spanned<T>) -> usize {
    usize::try_from(of.referenced.line()).unwrap_or(1).max(1)
}

enum Node {
    Scalar,
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
        Ok(Node::Scalar)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_str<E>(self, _: &str) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_unit<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }

    fn visit_none<E>(self) -> Result<Node, E> {
        Ok(Node::Scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_has_the_line_of_its_name() {
        let lines = Lines::of(
            "kind: Journey\nspec:\n  steps:\n  - name: a\n    wait:\n      for: 1h\n  - name: b\n    send: {touchpoint: t,\n      with: {x: 1}}\n  list: [a,\n    b]\n  text: |\n    one\n    two\n  end:\n",
            11,
        );
        for (path, line) in [
            ("kind", 11),
            ("spec.steps", 13),
            ("spec.steps[0]", 14),
            ("spec.steps[0].wait.for", 16),
            ("spec.steps[1].send.touchpoint", 18),
            ("spec.steps[1].send.with.x", 19),
            ("spec.list[1]", 21),
            ("spec.text", 22),
            ("spec.end", 25),
            // What is missing would stand in what is there.
            ("spec.steps[0].wait.until[0].event", 15),
            ("metadata.name", 11),
        ] {
            assert_eq!(lines.at(path), line, "{path}");
        }
        assert_eq!(Lines::of("a: [", 3).at("a"), 3);
    }
}

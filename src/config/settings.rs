//! Which value does each key have, and who set it?

use crate::config::{
    alias::{self, Alias},
    origin::Origin,
    problem::{Problem, Problems, nearest},
    sources::Sources,
};
use serde::Deserialize as _;
use std::{fmt, path::Path, sync::Arc};
use toml::{
    Spanned, Value,
    de::{DeTable, DeValue, ValueDeserializer},
};

/// The defaults, and with them the list of keys.
const DEFAULTS: &str = include_str!("../../config/tapedeck.toml");
/// Keys whose values are never shown, neither by `config show` nor in errors.
const SECRET_KEYS: &[&str] = &["backfill.proxy_password"];
/// What stands in for a secret.
const MASK: &str = "\"***\"";
/// Before the key in the environment.
const ENV_PREFIX: &str = "TAPEDECK__";
/// `config show` lines the origins up, unless a value is longer than this.
const SHOW_COLUMN_MAX: usize = 72;

/// One key.
#[derive(Clone, Debug)]
pub struct Setting {
    /// In full, such as `server.listen`.
    pub key: String,
    /// Its value; of the same type as the default.
    pub value: Value,
    /// Who set it.
    pub origin: Origin,
    /// What it would be if nobody had set it.
    pub(super) default: Value,
}

impl Setting {
    /// The value as TOML, or a mask.
    pub(super) fn shown(&self) -> String {
        self.shown_unless(SECRET_KEYS)
    }

    fn shown_unless(&self, secret_keys: &[&str]) -> String {
        let secret = secret_keys.contains(&self.key.as_str()) && self.value != self.default;
        if secret { MASK.to_owned() } else { self.value.to_string() }
    }
}

/// All keys, in the order of the built-in file.
#[derive(Clone, Debug)]
pub struct Settings(Vec<Setting>);

impl Settings {
    /// Lays everything in `sources` over the defaults.
    ///
    /// # Errors
    ///
    /// When a file cannot be read, a key is unknown or a value of the wrong type; all faults are told at once.
    pub fn gather(sources: Sources) -> Result<Self, Problems> {
        let mut settings = Self::defaults();
        let mut problems = Vec::new();
        for (path, text) in sources.files {
            match text {
                Ok(text) => settings.overlay_file(&path, &text, &mut problems),
                Err(error) => problems.push(Problem::Unreadable { path: path.to_path_buf(), error }),
            }
        }
        for (alias, text) in alias::given(&sources.env) {
            settings.overlay_alias(alias, text, &mut problems);
        }
        for (name, value) in &sources.env {
            settings.overlay_env(name, value.as_deref(), &mut problems);
        }
        for assignment in sources.flags {
            let origin = Origin::Flag(assignment.flag.to_owned());
            settings.overlay_text(&assignment.key, &assignment.text, origin, &mut problems);
        }
        Problems::or(problems, settings)
    }

    /// What is built in.
    fn defaults() -> Self {
        let mut found = Vec::new();
        let root = DeTable::parse(DEFAULTS).expect("the built-in file is TOML; a test loads it").into_inner();
        leaves(root, "", &|_| false, &mut found);
        found.sort_by_key(|leaf| leaf.start);
        let setting = |leaf: Leaf| {
            let value = leaf.value.expect("the built-in file is valid; a test loads it");
            Setting { key: leaf.key, default: value.clone(), value, origin: Origin::Default }
        };
        Self(found.into_iter().map(setting).collect())
    }

    fn overlay_file(&mut self, path: &Arc<Path>, text: &str, problems: &mut Vec<Problem>) {
        let syntax = |error| Problem::Syntax { path: path.to_path_buf(), error: Box::new(error) };
        let root = match DeTable::parse(text) {
            Ok(root) => root.into_inner(),
            Err(error) => return problems.push(syntax(error)),
        };
        let mut found = Vec::new();
        leaves(root, "", &|key| self.get(key).is_some(), &mut found);
        found.sort_by_key(|leaf| leaf.start);
        for leaf in found {
            let line = 1 + text[..leaf.start].matches('\n').count();
            match leaf.value {
                Ok(Value::Table(table)) if table.is_empty() && self.is_section(&leaf.key) => {}
                Ok(value) => self.set(&leaf.key, value, Origin::File(path.clone(), line), problems),
                Err(error) => problems.push(syntax(error)),
            }
        }
    }

    fn overlay_alias(&mut self, alias: &Alias, text: &str, problems: &mut Vec<Problem>) {
        let current = self.get(alias.key).and_then(|setting| setting.value.as_str()).unwrap_or_default();
        let text = alias.value(text, current);
        self.overlay_text(alias.key, &text, Origin::Env(alias.name.to_owned()), problems);
    }

    fn overlay_env(&mut self, name: &str, value: Option<&str>, problems: &mut Vec<Problem>) {
        let Some(rest) = name.strip_prefix(ENV_PREFIX) else { return };
        let Some(value) = value else {
            return problems.push(Problem::NotUnicode { name: name.to_owned() });
        };
        let key = rest.to_lowercase().replace("__", ".");
        self.overlay_text(&key, value, Origin::Env(name.to_owned()), problems);
    }

    /// Sets `key` from a text that carries no type of its own: it is read as the default's type.
    fn overlay_text(&mut self, key: &str, text: &str, origin: Origin, problems: &mut Vec<Problem>) {
        let Some(setting) = self.get(key) else {
            return problems.push(self.unknown(key, origin));
        };
        match typed(text, &setting.default) {
            Some(value) => self.set(key, value, origin, problems),
            None => problems.push(Problem::WrongType {
                key: key.to_owned(),
                origin,
                expected: type_name(&setting.default),
                found: if SECRET_KEYS.contains(&key) { MASK.to_owned() } else { format!("`{text}`") },
            }),
        }
    }

    fn set(&mut self, key: &str, value: Value, origin: Origin, problems: &mut Vec<Problem>) {
        let Some(setting) = self.0.iter_mut().find(|setting| setting.key == key) else {
            return problems.push(self.unknown(key, origin));
        };
        // A list of one may be written without its brackets.
        let value = match (&setting.default, value) {
            (Value::Array(_), value @ Value::String(_)) => Value::Array(vec![value]),
            (_, value) => value,
        };
        if setting.default.same_type(&value) {
            setting.value = value;
            setting.origin = origin;
        } else {
            let (expected, found) = (type_name(&setting.default), type_name(&value).to_owned());
            problems.push(Problem::WrongType { key: key.to_owned(), origin, expected, found });
        }
    }

    fn unknown(&self, key: &str, origin: Origin) -> Problem {
        if self.is_section(key) {
            let found = "a value of its own".to_owned();
            return Problem::WrongType { key: key.to_owned(), origin, expected: "keys inside it", found };
        }
        let nearest = nearest(key, self.0.iter().map(|setting| setting.key.as_str()));
        let nearest = match &origin {
            Origin::Env(_) => ENV_PREFIX.to_owned() + &nearest.to_uppercase().replace('.', "__"),
            _ => nearest.to_owned(),
        };
        Problem::UnknownKey { key: key.to_owned(), origin, nearest }
    }

    fn is_section(&self, key: &str) -> bool {
        self.0.iter().any(|setting| setting.key.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
    }

    /// The setting of `key`, or nothing for an unknown key.
    pub fn get(&self, key: &str) -> Option<&Setting> {
        self.0.iter().find(|setting| setting.key == key)
    }

    /// Keys whose values differ from what `before` says.
    pub fn changed_from<'a>(&'a self, before: &'a Self) -> impl Iterator<Item = &'a str> {
        let differs = |setting: &&Setting| before.get(&setting.key).is_none_or(|other| other.value != setting.value);
        self.0.iter().filter(differs).map(|setting| setting.key.as_str())
    }

    /// Whether a file said any of it.
    pub fn come_from_a_file(&self) -> bool {
        self.0.iter().any(|setting| matches!(setting.origin, Origin::File(..)))
    }

    /// All, in the order of the built-in file.
    pub fn iter(&self) -> impl Iterator<Item = &Setting> {
        self.0.iter()
    }
}

/// TOML that a file could hold, each line with its origin; secrets are masked.
impl fmt::Display for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = |setting: &Setting| (format!("{} = {}", setting.key, setting.shown()), setting.origin.to_string());
        let lines: Vec<_> = self.0.iter().map(line).collect();
        let widths = lines.iter().map(|(text, _)| text.chars().count());
        let column = widths.filter(|width| *width <= SHOW_COLUMN_MAX).max().unwrap_or(0);
        for (text, origin) in lines {
            writeln!(f, "{text:column$}  # {origin}")?;
        }
        Ok(())
    }
}

/// A key with its value and its place in the text.
struct Leaf {
    key: String,
    value: Result<Value, toml::de::Error>,
    start: usize,
}

/// Collects every value under `table`: what is no table, tables that are keys themselves, and empty tables.
fn leaves(table: DeTable<'_>, prefix: &str, is_key: &dyn Fn(&str) -> bool, found: &mut Vec<Leaf>) {
    for (name, value) in table {
        let key = format!("{prefix}{}", name.get_ref());
        let start = name.span().start;
        let span = value.span();
        match value.into_inner() {
            DeValue::Table(inner) if !inner.is_empty() && !is_key(&key) => {
                leaves(inner, &format!("{key}."), is_key, found);
            }
            inner => {
                let value = Value::deserialize(ValueDeserializer::from(Spanned::new(span, inner)));
                found.push(Leaf { key, value, start });
            }
        }
    }
}

/// Reads `text` as the type of `like`.
fn typed(text: &str, like: &Value) -> Option<Value> {
    match like {
        Value::String(_) => Some(Value::String(text.to_owned())),
        Value::Integer(_) => text.trim().parse().ok().map(Value::Integer),
        Value::Float(_) => text.trim().parse().ok().map(Value::Float),
        Value::Boolean(_) => text.trim().parse().ok().map(Value::Boolean),
        Value::Array(_) => Some(inline(text).filter(Value::is_array).unwrap_or_else(|| words(text))),
        Value::Table(_) | Value::Datetime(_) => inline(text).filter(|value| value.same_type(like)),
    }
}

/// Reads `text` as the right side of a TOML assignment.
fn inline(text: &str) -> Option<Value> {
    let table: toml::Table = toml::from_str(&format!("value = {text}")).ok()?;
    table.get("value").cloned().filter(|_| table.len() == 1)
}

/// Reads `A,B` or `[A,B]` as a list of texts.
fn words(text: &str) -> Value {
    let text = text.trim();
    let text = text.strip_prefix('[').and_then(|text| text.strip_suffix(']')).unwrap_or(text);
    let words = text.split(',').map(|word| word.trim().trim_matches(['"', '\'']));
    Value::Array(words.filter(|word| !word.is_empty()).map(|word| Value::String(word.to_owned())).collect())
}

/// How an error names the type of `value`.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "a string",
        Value::Integer(_) => "an integer",
        Value::Float(_) => "a decimal number",
        Value::Boolean(_) => "true or false",
        Value::Datetime(_) => "a date",
        Value::Array(_) => "a list",
        Value::Table(_) => "a table",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_masked_once_it_is_set() {
        let mut setting = Setting {
            key: "proxy.password".to_owned(),
            value: Value::String(String::new()),
            origin: Origin::Default,
            default: Value::String(String::new()),
        };
        assert_eq!(setting.shown_unless(&["proxy.password"]), "\"\"");
        setting.value = Value::String("hunter2".to_owned());
        assert_eq!(setting.shown_unless(&["proxy.password"]), "\"***\"");
        assert_eq!(setting.shown_unless(&["proxy.user"]), "\"hunter2\"");
    }

    #[test]
    fn secret_keys_exist() {
        let settings = Settings::defaults();
        for key in SECRET_KEYS {
            assert!(settings.get(key).is_some(), "{key}");
        }
    }

    #[test]
    fn every_key_has_a_comment_above_it() {
        let lines: Vec<&str> = DEFAULTS.lines().collect();
        let mut keys = 0;
        for (index, line) in lines.iter().enumerate() {
            if line.starts_with(|c: char| c.is_ascii_lowercase()) {
                keys += 1;
                assert!(lines[index - 1].starts_with("# "), "`{line}` has no comment");
            }
        }
        assert_eq!(keys, Settings::defaults().0.len(), "a line a key");
    }

    #[test]
    fn texts_are_read_as_the_type_of_the_default() {
        let list = Value::Array(Vec::new());
        let words = |words: &[&str]| Some(Value::from(words.to_vec()));
        assert_eq!(typed("A, B,", &list), words(&["A", "B"]));
        assert_eq!(typed("[A,币安人生USDT]", &list), words(&["A", "币安人生USDT"]));
        assert_eq!(typed(r#"["A", 'B']"#, &list), words(&["A", "B"]));
        assert_eq!(typed("", &list), words(&[]));
        assert_eq!(typed("8", &Value::Integer(0)), Some(Value::Integer(8)));
        assert_eq!(typed("8", &Value::String(String::new())), Some(Value::String("8".to_owned())));
        assert_eq!(typed("eight", &Value::Integer(0)), None);
        assert_eq!(typed("1\nother = 2", &Value::Table(toml::Table::new())), None);
        let table = typed("{ a = 1 }", &Value::Table(toml::Table::new())).expect("a table");
        assert_eq!(table["a"], Value::Integer(1));
    }
}

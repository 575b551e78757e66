//! The keys of a mapping: which are known, which are missing, which were meant.

use super::errors::{At, Errors, either, nearest, shown};
use super::node::{Key, Kind, Node};

/// A mapping whose keys were checked.
#[derive(Debug)]
pub(super) struct Fields<'n> {
    /// Where the mapping begins.
    pub(super) at: At,
    what: &'static str,
    entries: &'n [(Key, Node)],
    /// The known keys for which others were probably meant.
    slips: Vec<&'static str>,
}

/// A value and the name under which errors speak of it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Field<'n> {
    /// The key's name.
    pub(super) name: &'n str,
    /// The value.
    pub(super) node: &'n Node,
}

impl<'n> Fields<'n> {
    /// The mapping that `node` is; `what` names it ("a gate"). Every key outside `keys` is told,
    /// those in `later` with what they will do one day.
    pub(super) fn of(
        what: &'static str,
        node: &'n Node,
        keys: &[&'static str],
        later: &[(&str, &str)],
        errors: &mut Errors,
    ) -> Option<Self> {
        let entries = match &node.kind {
            Kind::Map(entries) => entries,
            Kind::Broken => return None,
            Kind::Null | Kind::Quoted(_) | Kind::Plain(_) | Kind::List(_) => {
                errors.push(
                    node.at,
                    format!(
                        "expected {what}, a mapping with the keys {}; found {}",
                        either(keys).replace(" or ", " and "),
                        node.describe()
                    ),
                );
                return None;
            }
        };
        let mut slips = Vec::new();
        for (key, _) in entries {
            if keys.contains(&key.name.as_str()) {
                continue;
            }
            let message = match later.iter().find(|(name, _)| *name == key.name) {
                Some((_, sentence)) => (*sentence).to_owned(),
                None => match nearest(&key.name, keys.iter().copied()) {
                    Some(meant) => {
                        slips.push(meant);
                        format!("unknown key {}; did you mean `{meant}`?", shown(&key.name))
                    }
                    None => format!(
                        "unknown key {}; {what} may have {}",
                        shown(&key.name),
                        either(keys).replace(" or ", " and ")
                    ),
                },
            };
            errors.push(key.at, message);
        }
        Some(Self {
            at: node.at,
            what,
            entries,
            slips,
        })
    }

    /// The value of a key that may be left out.
    pub(super) fn optional(&self, name: &'static str) -> Option<Field<'n>> {
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(_, node)| Field { name, node })
    }

    /// The value of a key that may not.
    pub(super) fn required(&self, name: &'static str, errors: &mut Errors) -> Option<Field<'n>> {
        let field = self.optional(name);
        // A key that was told as a slip of this one is not missing as well.
        if field.is_none() && !self.slips.contains(&name) {
            errors.push(
                self.at,
                format!("`{name}` is missing; it has to stand in {}", self.what),
            );
        }
        field
    }

    /// Where a key stands, if it does.
    pub(super) fn key_at(&self, name: &str) -> Option<At> {
        self.entries
            .iter()
            .find(|(key, _)| key.name == name)
            .map(|(key, _)| key.at)
    }
}

impl<'n> Field<'n> {
    /// Tell that the value is not what it has to be.
    pub(super) fn expected(&self, what: &str, errors: &mut Errors) {
        if !matches!(self.node.kind, Kind::Broken) {
            errors.push(
                self.node.at,
                format!(
                    "`{}`: expected {what}; found {}",
                    self.name,
                    self.node.describe()
                ),
            );
        }
    }

    /// Tell that the value, of the right type, cannot be.
    pub(super) fn wrong(&self, why: impl std::fmt::Display, errors: &mut Errors) {
        errors.push(self.node.at, format!("`{}`: {why}", self.name));
    }

    /// The items of the list that the value is; `what` names them ("a list of mail addresses").
    pub(super) fn list(&self, what: &str, errors: &mut Errors) -> Option<Vec<Field<'n>>> {
        match &self.node.kind {
            Kind::List(items) => Some(
                items
                    .iter()
                    .map(|node| Field {
                        name: self.name,
                        node,
                    })
                    .collect(),
            ),
            Kind::Broken | Kind::Null | Kind::Quoted(_) | Kind::Plain(_) | Kind::Map(_) => {
                self.expected(what, errors);
                None
            }
        }
    }

    /// Every item of the list that the value is, at most `most`; all of them are read before one
    /// that is wrong makes the whole `None`.
    pub(super) fn each<T>(
        &self,
        what: &str,
        most: usize,
        errors: &mut Errors,
        mut read: impl FnMut(Field<'n>, &mut Errors) -> Option<T>,
    ) -> Option<Vec<T>> {
        let items = self.list(what, errors)?;
        if items.len() > most {
            self.wrong(
                format!("expected {what}, at most {most}; found {}", items.len()),
                errors,
            );
            return None;
        }
        let read: Vec<Option<T>> = items.into_iter().map(|item| read(item, errors)).collect();
        read.into_iter().collect()
    }

    /// The entries of the mapping that the value is, with keys of any name.
    pub(super) fn entries(&self, what: &str, errors: &mut Errors) -> Option<&'n [(Key, Node)]> {
        match &self.node.kind {
            Kind::Map(entries) => Some(entries),
            Kind::Broken | Kind::Null | Kind::Quoted(_) | Kind::Plain(_) | Kind::List(_) => {
                self.expected(what, errors);
                None
            }
        }
    }
}

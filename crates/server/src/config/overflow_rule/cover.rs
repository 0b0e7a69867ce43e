//! Which rule comes first for all that a later one is for.

use std::collections::HashMap;

use floodway::Filter;

/// Subjects of rules, as a tree of their tokens: of ten thousand rules the pairs are too many to
/// compare each with each while somebody waits for a server to start.
#[derive(Debug, Default)]
pub(super) struct Covers {
    /// The node below a node for a token. The root is 0.
    children: HashMap<(usize, Box<[u8]>), usize>,
    /// The rule of each subject that ends at a node, by user.
    rules: HashMap<(usize, Option<Box<str>>), usize>,
}

const ROOT: usize = 0;

impl Covers {
    /// Adds a rule and its number; numbers grow. If an earlier one is for all that this one is for,
    /// its number is returned and nothing added.
    pub(super) fn insert(
        &mut self,
        subject: &Filter,
        user: Option<&str>,
        number: usize,
    ) -> Option<usize> {
        let tokens: Vec<&[u8]> = subject.as_bytes().split(|&byte| byte == b'.').collect();
        if let Some(earlier) = self.first(&tokens, user) {
            return Some(earlier);
        }
        let mut node = ROOT;
        for token in tokens {
            // Nodes are never taken away, so the next number is one that nobody has.
            let next = self.children.len() + 1;
            node = *self.children.entry((node, token.into())).or_insert(next);
        }
        self.rules.insert((node, user.map(Into::into)), number);
        None
    }

    /// The first rule that covers these tokens for this user.
    fn first(&self, tokens: &[&[u8]], user: Option<&str>) -> Option<usize> {
        let mut first: Option<usize> = None;
        // A stack of its own: a subject may have more tokens than calls may be nested.
        let mut open = vec![(ROOT, 0)];
        while let Some((node, at)) = open.pop() {
            let ends = match tokens.get(at) {
                None => Some(node),
                Some(_) => self.child(node, b">"),
            };
            if let Some(found) = ends.and_then(|node| self.rule_at(node, user)) {
                first = Some(first.map_or(found, |first| first.min(found)));
            }
            match tokens.get(at) {
                None | Some(&b">") => {}
                Some(&b"*") => open.extend(self.child(node, b"*").map(|next| (next, at + 1))),
                Some(token) => {
                    let next = [self.child(node, b"*"), self.child(node, token)];
                    open.extend(next.into_iter().flatten().map(|next| (next, at + 1)));
                }
            }
        }
        first
    }

    fn child(&self, node: usize, token: &[u8]) -> Option<usize> {
        self.children.get(&(node, token.into())).copied()
    }

    /// The first rule that ends at a node, for this user or for everybody.
    fn rule_at(&self, node: usize, user: Option<&str>) -> Option<usize> {
        let of = |user: Option<&str>| self.rules.get(&(node, user.map(Into::into))).copied();
        let everybody = of(None);
        match user {
            None => everybody,
            Some(_) => of(user).into_iter().chain(everybody).min(),
        }
    }
}

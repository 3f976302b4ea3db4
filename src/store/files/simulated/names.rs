//! Which names does the tree have, which of them are durable, and which does a power cut leave?

use super::{draws::Draws, inode::Ino};
use crate::store::files::parent;
use rustix::io::Errno;
use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    ops::Bound,
    sync::Arc,
};

/// What a name stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File(Ino),
}

type Tree = BTreeMap<Arc<str>, Node>;

/// The tree by whole paths, as it is seen and as it is durable, and the operations in between in their order.
#[derive(Clone, Default)]
pub(super) struct Names {
    seen: Tree,
    durable: Tree,
    log: Vec<Operation>,
}

/// Changes that are made together or not at all.
#[derive(Clone)]
struct Operation(Vec<Change>);

/// What a path stands for from now on. `synced` once its directory was.
#[derive(Clone)]
struct Change {
    path: Arc<str>,
    node: Option<Node>,
    synced: bool,
}

impl Change {
    fn new(path: &str, node: Option<Node>) -> Self {
        Self { path: path.into(), node, synced: false }
    }

    fn apply(&self, tree: &mut Tree) {
        match self.node {
            Some(node) => tree.insert(self.path.clone(), node),
            None => tree.remove(&self.path),
        };
    }
}

impl Operation {
    fn apply(&self, tree: &mut Tree) {
        self.0.iter().for_each(|change| change.apply(tree));
    }

    fn directories(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|change| parent(&change.path))
    }

    fn shares_a_path_with(&self, other: &Self) -> bool {
        self.0.iter().any(|change| other.0.iter().any(|theirs| theirs.path == change.path))
    }

    /// Takes one from what is left to each of its directories, or ends them all when one has nothing left.
    fn lands_within<'a>(&'a self, left: &mut BTreeMap<&'a str, u64>) -> bool {
        let lands = self.directories().all(|directory| left.get(directory).is_some_and(|&count| count > 0));
        for directory in self.directories() {
            let count = left.entry(directory).or_default();
            *count = if lands { count.saturating_sub(1) } else { 0 };
        }
        lands
    }

    fn synced(&self) -> bool {
        self.0.iter().all(|change| change.synced)
    }
}

impl Names {
    /// What stands at a path.
    pub(super) fn node(&self, path: &str) -> io::Result<Node> {
        if path.is_empty() {
            return Ok(Node::Directory);
        }
        self.enclosed(path)?;
        self.seen.get(path).copied().ok_or_else(|| Errno::NOENT.into())
    }

    /// The file at a path.
    pub(super) fn file(&self, path: &str) -> io::Result<Ino> {
        match self.node(path)? {
            Node::File(ino) => Ok(ino),
            Node::Directory => Err(Errno::ISDIR.into()),
        }
    }

    /// Refuses a path whose directory is none.
    fn enclosed(&self, path: &str) -> io::Result<()> {
        let directory = parent(path);
        match self.seen.get(directory) {
            Some(Node::Directory) => Ok(()),
            _ if directory.is_empty() => Ok(()),
            Some(Node::File(_)) => Err(Errno::NOTDIR.into()),
            None => self.enclosed(directory).and(Err(Errno::NOENT.into())),
        }
    }

    /// Refuses a path that is taken.
    fn vacant(&self, path: &str) -> io::Result<()> {
        self.enclosed(path)?;
        if path.is_empty() || self.seen.contains_key(path) { Err(Errno::EXIST.into()) } else { Ok(()) }
    }

    fn change(&mut self, changes: Vec<Change>) {
        let operation = Operation(changes);
        operation.apply(&mut self.seen);
        self.log.push(operation);
    }

    pub(super) fn create(&mut self, path: &str, ino: Ino) -> io::Result<()> {
        self.vacant(path)?;
        self.change(vec![Change::new(path, Some(Node::File(ino)))]);
        Ok(())
    }

    pub(super) fn create_dir(&mut self, path: &str) -> io::Result<()> {
        if self.node(path).is_ok_and(|node| node == Node::Directory) {
            return Ok(());
        }
        self.vacant(path)?;
        self.change(vec![Change::new(path, Some(Node::Directory))]);
        Ok(())
    }

    /// Renames a file, and says which lost its name by that.
    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<Option<Ino>> {
        let ino = self.file(from)?;
        let replaced = match self.file(to) {
            Ok(replaced) => Some(replaced),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        self.enclosed(to)?;
        if from != to {
            self.change(vec![Change::new(from, None), Change::new(to, Some(Node::File(ino)))]);
        }
        Ok(replaced.filter(|&replaced| replaced != ino))
    }

    pub(super) fn unlink(&mut self, path: &str) -> io::Result<Ino> {
        let ino = self.file(path)?;
        self.change(vec![Change::new(path, None)]);
        Ok(ino)
    }

    /// The names in a directory, sorted.
    pub(super) fn list(&self, path: &str) -> io::Result<Vec<String>> {
        if self.node(path)? != Node::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let prefix = if path.is_empty() { String::new() } else { format!("{path}/") };
        let below = self
            .seen
            .range::<str, _>((Bound::Included(&*prefix), Bound::Unbounded))
            .map_while(|(path, _)| path.strip_prefix(&*prefix));
        Ok(below.filter(|rest| !rest.contains('/')).map(str::to_owned).collect())
    }

    /// The paths of all files, sorted.
    pub(super) fn files(&self) -> impl Iterator<Item = (&str, Ino)> {
        self.seen.iter().filter_map(|(path, node)| match node {
            Node::File(ino) => Some((&**path, *ino)),
            Node::Directory => None,
        })
    }

    /// Every file that has a name, or would after some power cut.
    pub(super) fn referenced(&self) -> BTreeSet<Ino> {
        let logged = self.log.iter().flat_map(|operation| &operation.0).filter_map(|change| change.node);
        let nodes = self.seen.values().chain(self.durable.values()).copied().chain(logged);
        nodes.filter_map(|node| if let Node::File(ino) = node { Some(ino) } else { None }).collect()
    }

    /// Makes the names in a directory durable. A rename to or from another one waits for that one too, unless something
    /// durable came after it at the same path.
    pub(super) fn sync_dir(&mut self, path: &str) -> io::Result<()> {
        if self.node(path)? != Node::Directory {
            return Err(Errno::NOTDIR.into());
        }
        let changes = self.log.iter_mut().flat_map(|operation| &mut operation.0);
        changes.filter(|change| parent(&change.path) == path).for_each(|change| change.synced = true);
        let durable = self.with_dependencies();
        self.land(&durable);
        Ok(())
    }

    /// Which operations are synced, or come before a synced one at the same path.
    fn with_dependencies(&self) -> Vec<bool> {
        let mut durable: Vec<_> = self.log.iter().map(Operation::synced).collect();
        for later in (0..self.log.len()).rev() {
            let (before, from) = durable.split_at_mut(later);
            if from[0] {
                let earlier = before.iter_mut().zip(&self.log);
                earlier.for_each(|(mark, operation)| *mark |= operation.shares_a_path_with(&self.log[later]));
            }
        }
        durable
    }

    /// Applies the operations that are marked, and keeps the others pending.
    fn land(&mut self, marked: &[bool]) {
        let mut marks = marked.iter();
        let durable = &mut self.durable;
        self.log.retain(|operation| {
            let lands = marks.next().is_some_and(|&mark| mark);
            if lands {
                operation.apply(durable);
            }
            !lands
        });
    }

    /// A power cut: the operations on the medium are all there were.
    pub(super) fn cut(&mut self, draws: &mut Draws) {
        let marked = self.survivors(draws);
        self.land(&marked);
        self.log.clear();
        self.seen = reachable(&self.durable);
        self.durable = self.seen.clone();
    }

    fn survivors(&self, draws: &mut Draws) -> Vec<bool> {
        let count = self.log.len();
        match draws.below(4) {
            0 => vec![false; count],
            1 => vec![true; count],
            2 => {
                let first = draws.index(count + 1);
                (0..count).map(|index| index < first).collect()
            }
            _ => self.prefixes(draws),
        }
    }

    /// A prefix of each directory's operations; one on two directories needs both, and ends both prefixes if it fails.
    fn prefixes(&self, draws: &mut Draws) -> Vec<bool> {
        let mut left: BTreeMap<&str, u64> = BTreeMap::new();
        let directories = self.log.iter().flat_map(Operation::directories);
        directories.for_each(|directory| *left.entry(directory).or_default() += 1);
        left.values_mut().for_each(|count| *count = draws.below(*count + 1));
        self.log.iter().map(|operation| operation.lands_within(&mut left)).collect()
    }

    /// Puts a file there, durably, and the directories above it.
    pub(super) fn put(&mut self, path: &str, ino: Ino) {
        let above = path.match_indices('/').map(|(end, _)| (&path[..end], Node::Directory));
        let nodes: Vec<_> = above.chain([(path, Node::File(ino))]).collect();
        for (path, node) in nodes {
            self.set(path, Some(node));
        }
    }

    /// Takes a file away, durably.
    pub(super) fn remove(&mut self, path: &str) -> io::Result<Ino> {
        let ino = self.file(path)?;
        self.set(path, None);
        Ok(ino)
    }

    fn set(&mut self, path: &str, node: Option<Node>) {
        let change = Change::new(path, node);
        change.apply(&mut self.seen);
        change.apply(&mut self.durable);
        self.log.iter_mut().for_each(|operation| operation.0.retain(|change| &*change.path != path));
        self.log.retain(|operation| !operation.0.is_empty());
    }
}

/// What can be reached: a name in a directory that was lost is lost with it.
fn reachable(durable: &Tree) -> Tree {
    let mut tree = Tree::new();
    // A directory's path comes before those below it.
    for (path, node) in durable {
        let directory = parent(path);
        if directory.is_empty() || tree.get(directory) == Some(&Node::Directory) {
            tree.insert(path.clone(), *node);
        }
    }
    tree
}

//! Identities: small typed integers, each the row of a table.

use std::collections::VecDeque;
use std::fmt;
use std::marker::PhantomData;
use std::num::NonZeroU32;
use std::ops::{Index, IndexMut};
use std::str::FromStr;

/// An id that is a row number of a dense table.
pub trait Row: Copy {
    /// The row.
    fn index(self) -> usize;
    /// The id of a row. Rows beyond 2^32 - 2 are nobody's and share one id.
    fn from_index(index: usize) -> Self;
}

macro_rules! row_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        // Stores the row plus one: `Option` of it uses the zero, and takes no more room.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(NonZeroU32);

        impl Row for $name {
            fn index(self) -> usize {
                self.0.get() as usize - 1
            }
            fn from_index(index: usize) -> Self {
                let number = u32::try_from(index).unwrap_or(u32::MAX).saturating_add(1);
                $name(NonZeroU32::new(number).unwrap_or(NonZeroU32::MAX))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.index())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.index().fmt(f)
            }
        }
    };
}

row_id! {
    /// A node, in order of joining. The row of a removed node is its own for ever: it has it again if it joins again.
    NodeId
}
row_id! {
    /// A service, in order of creation. Numbers are not given out again.
    ServiceId
}

/// A task. Rows are reused after deletion; the generation tells a late report about an old task from one about the new.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TaskId {
    pub(crate) row: u32,
    pub(crate) generation: u32,
}

impl TaskId {
    /// The row in the task table: at most one living task has it at a time.
    pub fn row(self) -> usize {
        self.row as usize
    }
}

impl fmt::Debug for TaskId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TaskId({self})")
    }
}

impl fmt::Display for TaskId {
    /// Row and generation: `7.0`. No two tasks of a manager have the same text.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.row, self.generation)
    }
}

impl FromStr for TaskId {
    type Err = String;

    /// Reads what [`TaskId`] shows.
    fn from_str(text: &str) -> Result<TaskId, String> {
        let id = text.split_once('.').and_then(|(row, generation)| {
            Some(TaskId { row: row.parse().ok()?, generation: generation.parse().ok()? })
        });
        // Other ways to write a number, such as `+7.00`, are nobody's.
        id.filter(|id| id.to_string() == text).ok_or_else(|| format!("'{text}' is no task: expected one like 7.0"))
    }
}

/// What a task stands for within its service.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "snapshot", derive(serde::Serialize, serde::Deserialize))]
pub enum Slot {
    /// A numbered slot: 1.. for replicated services, 0.. for replicated jobs.
    Number(u32),
    /// The one place that a global service or job has on each node.
    Node(NodeId),
    /// No slot yet: a spare of a failover policy, by a number among the service's spares.
    Spare(u32),
}

/// A vector that only its own kind of id can index.
#[derive(Clone, Debug)]
pub struct IdVec<I, T> {
    rows: Vec<T>,
    id: PhantomData<fn(I)>,
}

impl<I: Row, T> IdVec<I, T> {
    /// No rows.
    pub(crate) const fn new() -> Self {
        IdVec { rows: Vec::new(), id: PhantomData }
    }

    /// Appends a row and returns its id.
    pub(crate) fn push(&mut self, row: T) -> I {
        self.rows.push(row);
        I::from_index(self.rows.len() - 1)
    }

    /// The number of rows ever added.
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// The row of an id, if the id is of this table.
    pub fn get(&self, id: I) -> Option<&T> {
        self.rows.get(id.index())
    }

    /// Ids in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> + ExactSizeIterator + use<I, T> {
        (0..self.rows.len()).map(I::from_index)
    }

    /// Rows with their ids, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> {
        self.rows.iter().enumerate().map(|(index, row)| (I::from_index(index), row))
    }
}

impl<I: Row, T> Default for IdVec<I, T> {
    fn default() -> Self {
        IdVec::new()
    }
}

impl<I: Row, T> Index<I> for IdVec<I, T> {
    type Output = T;
    fn index(&self, id: I) -> &T {
        &self.rows[id.index()]
    }
}

impl<I: Row, T> IndexMut<I> for IdVec<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        &mut self.rows[id.index()]
    }
}

/// Values by ids that are given out in order and never again, so that few of the old ones are there. What is removed leaves no memory but a pointer for every 64
/// ids, and not even that where everything older is gone too.
#[derive(Clone, Debug)]
pub struct IdMap<I, T> {
    pages: VecDeque<Option<Box<Page<T>>>>,
    /// Pages that are gone from the front.
    gone: usize,
    /// Ids given out.
    next: usize,
    len: usize,
    id: PhantomData<fn(I)>,
}

const PAGE: usize = 64;

#[derive(Clone, Debug)]
struct Page<T> {
    rows: [Option<T>; PAGE],
    used: usize,
}

impl<I: Row, T> IdMap<I, T> {
    /// The id of the next value, if there is one left.
    pub(crate) fn next_id(&self) -> Option<I> {
        (self.next < u32::MAX as usize - 1).then(|| I::from_index(self.next))
    }

    /// Puts a value in the place of an id, which counts as given out from now on.
    pub(crate) fn insert(&mut self, id: I, value: T) {
        let row = id.index();
        if self.pages.is_empty() {
            self.gone = row / PAGE;
        }
        while row / PAGE < self.gone {
            self.pages.push_front(None);
            self.gone -= 1;
        }
        let page = row / PAGE - self.gone;
        if self.pages.len() <= page {
            self.pages.resize_with(page + 1, || None);
        }
        let empty = || Box::new(Page { rows: std::array::from_fn(|_| None), used: 0 });
        let page = self.pages[page].get_or_insert_with(empty);
        let added = usize::from(page.rows[row % PAGE].replace(value).is_none());
        page.used += added;
        self.len += added;
        self.next = self.next.max(row + 1);
    }

    /// How many ids were given out.
    pub(crate) fn next_row(&self) -> usize {
        self.next
    }

    /// At least so many ids were given out.
    #[cfg(feature = "snapshot")]
    pub(crate) fn give_out(&mut self, ids: usize) {
        self.next = self.next.max(ids);
    }

    pub(crate) fn remove(&mut self, id: I) {
        let row = id.index();
        let Some(at) = (row / PAGE).checked_sub(self.gone) else { return };
        let Some(Some(page)) = self.pages.get_mut(at) else { return };
        if page.rows[row % PAGE].take().is_some() {
            page.used -= 1;
            self.len -= 1;
        }
        if page.used == 0 {
            self.pages[at] = None;
            while self.pages.front().is_some_and(Option::is_none) {
                self.pages.pop_front();
                self.gone += 1;
            }
        }
    }

    /// The value of an id, if the id was given out here and the value was not removed.
    pub fn get(&self, id: I) -> Option<&T> {
        let row = id.index();
        self.pages.get((row / PAGE).wrapping_sub(self.gone))?.as_ref()?.rows[row % PAGE].as_ref()
    }

    pub(crate) fn get_mut(&mut self, id: I) -> Option<&mut T> {
        let row = id.index();
        self.pages.get_mut((row / PAGE).wrapping_sub(self.gone))?.as_mut()?.rows[row % PAGE].as_mut()
    }

    /// The number of values that are there.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether nothing is there.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Values with their ids, in order.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = (I, &T)> {
        let pages = self.pages.iter().enumerate().filter_map(|(at, page)| Some((at, page.as_ref()?)));
        pages.flat_map(|(at, page)| {
            let first = (self.gone + at) * PAGE;
            let rows = page.rows.iter().enumerate();
            rows.filter_map(move |(step, row)| Some((I::from_index(first + step), row.as_ref()?)))
        })
    }

    /// Ids of what is there, in order.
    pub fn ids(&self) -> impl DoubleEndedIterator<Item = I> {
        self.iter().map(|(id, _)| id)
    }
}

impl<I, T> Default for IdMap<I, T> {
    fn default() -> Self {
        IdMap { pages: VecDeque::new(), gone: 0, next: 0, len: 0, id: PhantomData }
    }
}

impl<I: Row, T> Index<I> for IdMap<I, T> {
    type Output = T;
    /// Panics if nothing is there, see [`IdMap::get`].
    fn index(&self, id: I) -> &T {
        self.get(id).expect("the id of something that is there")
    }
}

impl<I: Row, T> IndexMut<I> for IdMap<I, T> {
    fn index_mut(&mut self, id: I) -> &mut T {
        self.get_mut(id).expect("the id of something that is there")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_removed_from_a_map_leaves_nothing_and_no_id_comes_again() {
        let mut map = IdMap::<ServiceId, usize>::default();
        for number in 0..10_000 {
            let id = map.next_id().expect("ids are left");
            assert_eq!(id.index(), number);
            map.insert(id, number);
            if number != 5000 {
                map.remove(id);
            }
        }
        let left = ServiceId::from_index(5000);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(left, &5000)]);
        assert_eq!((map.get(ServiceId::from_index(10)), map.get(ServiceId::from_index(20_000))), (None, None));
        let old = ServiceId::from_index(3);
        map.insert(old, 3);
        assert_eq!(map.iter().collect::<Vec<_>>(), [(old, &3), (left, &5000)]);
        map.remove(old);
        map.remove(left);
        assert!(map.is_empty() && map.pages.is_empty());
        assert_eq!(map.next_id().map(Row::index), Some(10_000));
    }
}

//! Which strategy or policy a manager uses: one of a list by its name, or anybody's own.

use std::fmt;
use std::sync::Arc;

/// A built-in placement strategy.
pub struct Entry<T: ?Sized> {
    /// The name by which configurations choose it.
    pub name: &'static str,
    /// What it does, in one sentence.
    pub summary: &'static str,
    /// Builds it from the seed of the configuration.
    pub(crate) build: fn(u64) -> Box<T>,
}

/// A strategy or policy that a manager shall use: the name of a built-in one (`"spread".into()`), or one of the
/// caller's own ([`Choice::own`]).
pub struct Choice<T: ?Sized> {
    name: Arc<str>,
    /// Nothing for a built-in one.
    build: Option<Arc<Build<T>>>,
}

type Build<T> = dyn Fn(u64) -> Box<T> + Send + Sync;

impl<T: ?Sized> Choice<T> {
    /// One of the caller's own. `build` is called with the seed of the configuration when the manager begins and, for a
    /// placement strategy, with another one at each change of leader. It must build the same from the same seed.
    pub fn own(name: impl Into<Arc<str>>, build: impl Fn(u64) -> Box<T> + Send + Sync + 'static) -> Choice<T> {
        Choice { name: name.into(), build: Some(Arc::new(build)) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Builds the caller's own, if it is that.
    pub(crate) fn build_own(&self, seed: u64) -> Option<Box<T>> {
        self.build.as_ref().map(|build| build(seed))
    }

    /// Builds it; the error lists the names that `list` has.
    pub(crate) fn build(&self, list: &[Entry<T>], kind: &str, seed: u64) -> Result<Box<T>, String> {
        if let Some(own) = self.build_own(seed) {
            return Ok(own);
        }
        match list.iter().find(|entry| entry.name == &*self.name) {
            Some(entry) => Ok((entry.build)(seed)),
            None => {
                let known: Vec<&str> = list.iter().map(|entry| entry.name).collect();
                Err(format!("unknown {kind} '{}': expected one of {}", self.name, known.join(", ")))
            }
        }
    }
}

impl<T: ?Sized> Clone for Choice<T> {
    fn clone(&self) -> Self {
        Choice { name: self.name.clone(), build: self.build.clone() }
    }
}

impl<T: ?Sized> fmt::Debug for Choice<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let own = if self.build.is_some() { " (own)" } else { "" };
        write!(f, "{}{own}", self.name)
    }
}

impl<T: ?Sized> From<&str> for Choice<T> {
    fn from(name: &str) -> Self {
        Choice { name: name.into(), build: None }
    }
}

impl<T: ?Sized> From<String> for Choice<T> {
    fn from(name: String) -> Self {
        name.as_str().into()
    }
}

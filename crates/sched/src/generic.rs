//! Generic resources: amounts and named units of a kind (SwarmKit `api/genericresource`).

use crate::spec::{GenericResource, Units};

/// Whether `offer` has enough for every request. Only the first entry of a kind is looked at: an amount must be large
/// enough, or there must be as many named units. A request for a named unit, which the API lets pass by mistake, is
/// never met.
pub(crate) fn has_enough(offer: &[GenericResource], requests: &[GenericResource]) -> bool {
    requests.iter().all(|request| {
        let Units::Count(wanted) = request.units else { return false };
        let mut entries = offer.iter().filter(|entry| entry.kind == request.kind);
        match entries.next().map(|entry| &entry.units) {
            None => false,
            Some(Units::Count(count)) => *count >= wanted,
            Some(Units::Named(_)) => i64::try_from(1 + entries.count()).is_ok_and(|named| named >= wanted),
        }
    })
}

/// Takes what the requests ask for out of `offer` and says what it was: amounts as asked, named units in list order.
/// All is chosen before anything is taken, so two requests for one kind get the same named units. Where a kind is
/// absent, nothing is taken at all.
pub(crate) fn claim(offer: &mut Vec<GenericResource>, requests: &[GenericResource]) -> Vec<GenericResource> {
    let chosen: Option<Vec<_>> = requests.iter().map(|request| choose(offer, request)).collect();
    let claimed = chosen.unwrap_or_default().concat();
    take(offer, &claimed);
    claimed
}

/// What would meet a request: `None` where there is nothing of the kind.
fn choose(offer: &[GenericResource], request: &GenericResource) -> Option<Vec<GenericResource>> {
    let Units::Count(wanted) = request.units else { return None };
    let mut named = Vec::new();
    for entry in offer.iter().filter(|entry| entry.kind == request.kind) {
        match entry.units {
            Units::Count(count) if count >= wanted && wanted != 0 => return Some(vec![request.clone()]),
            Units::Count(_) => return Some(Vec::new()),
            Units::Named(_) => named.push(entry.clone()),
        }
        if i64::try_from(named.len()) == Ok(wanted) {
            break;
        }
    }
    (!named.is_empty()).then_some(named)
}

/// Takes these units out of `offer`, as far as it has them: an amount out of an amount, a name wherever it stands. What
/// the node counts in another way by now is left alone.
pub(crate) fn take(offer: &mut Vec<GenericResource>, units: &[GenericResource]) {
    let exhausts = |entry: &mut GenericResource, unit: &GenericResource| match (&mut entry.units, &unit.units) {
        (Units::Count(count), Units::Count(amount)) => {
            *count = count.saturating_sub(*amount);
            *count <= 0
        }
        (entry, unit) => entry == unit,
    };
    offer.retain_mut(|entry| !units.iter().any(|unit| entry.kind == unit.kind && exhausts(entry, unit)));
}

/// Gives units back. Amounts are added, names go to the end of the list; what the node does not offer (any more) is
/// dropped, as SwarmKit's sanitizer does.
pub(crate) fn reclaim(offer: &mut Vec<GenericResource>, units: &[GenericResource], total: &[GenericResource]) {
    for unit in units {
        match &unit.units {
            Units::Count(amount) => {
                let Some(limit) = total.iter().find_map(|entry| match entry.units {
                    Units::Count(limit) if entry.kind == unit.kind => Some(limit),
                    _ => None,
                }) else {
                    continue;
                };
                match offer.iter_mut().find(|entry| entry.kind == unit.kind) {
                    Some(GenericResource { units: Units::Count(count), .. }) => {
                        *count = count.saturating_add(*amount).min(limit)
                    }
                    _ => {
                        let units = Units::Count((*amount).min(limit));
                        offer.push(GenericResource { kind: unit.kind.clone(), units });
                    }
                }
            }
            Units::Named(_) if total.contains(unit) => offer.push(unit.clone()),
            Units::Named(_) => {}
        }
    }
}

/// Whether `offer` has this unit, or at least this amount.
pub(crate) fn offers(offer: &[GenericResource], unit: &GenericResource) -> bool {
    match &unit.units {
        Units::Count(_) => has_enough(offer, std::slice::from_ref(unit)),
        Units::Named(_) => offer.contains(unit),
    }
}

/// Whether these requests do not touch each other: one for each kind, and none for less than nothing.
pub(crate) fn are_plain(requests: &[GenericResource]) -> bool {
    let is_first = |row: usize| requests[..row].iter().all(|other| other.kind != requests[row].kind);
    requests.iter().enumerate().all(|(row, request)| is_first(row) && !is_negative(request))
}

/// Whether this is an amount of less than nothing.
pub(crate) fn is_negative(unit: &GenericResource) -> bool {
    matches!(unit.units, Units::Count(count) if count < 0)
}

/// Panics unless what is free of each kind is what there is less what is held. A kind that the node declares in more than
/// one way is not looked at.
pub(crate) fn check(total: &[GenericResource], held: &[&GenericResource], free: &[GenericResource]) {
    let mut kinds: Vec<&str> = total.iter().map(|entry| entry.kind.as_str()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    for kind in kinds {
        let total: Vec<&Units> =
            total.iter().filter(|resource| resource.kind == kind).map(|resource| &resource.units).collect();
        let held = held.iter().filter(|resource| resource.kind == kind).map(|resource| &resource.units);
        let mut free: Vec<&Units> =
            free.iter().filter(|resource| resource.kind == kind).map(|resource| &resource.units).collect();
        if let [Units::Count(total)] = total[..] {
            let amount = |units: &Units| if let Units::Count(count) = units { i128::from(*count) } else { 0 };
            let (held, free): (i128, i128) = (held.map(amount).sum(), free.into_iter().map(amount).sum());
            assert_eq!(free, i128::from(*total) - held, "units of {kind} that are free, of {total}");
        } else if total.iter().all(|units| matches!(units, Units::Named(_))) {
            let held: Vec<&Units> = held.collect();
            let mut left: Vec<&Units> = total.into_iter().filter(|units| !held.contains(units)).collect();
            left.sort_unstable();
            free.sort_unstable();
            // One that is declared twice is taken twice and given back once.
            left.dedup();
            free.dedup();
            assert_eq!(free, left, "units of {kind} that are free");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(kind: &str, count: i64) -> GenericResource {
        GenericResource { kind: kind.into(), units: Units::Count(count) }
    }

    fn named(kind: &str, name: &str) -> GenericResource {
        GenericResource { kind: kind.into(), units: Units::Named(name.into()) }
    }

    #[test]
    fn named_units_are_handed_out_in_order_and_come_back_at_the_end() {
        let total = vec![named("gpu", "a"), named("gpu", "b"), named("gpu", "c")];
        let mut free = total.clone();
        assert_eq!(claim(&mut free, &[count("gpu", 2)]), [named("gpu", "a"), named("gpu", "b")]);
        assert!(has_enough(&free, &[count("gpu", 1)]) && !has_enough(&free, &[count("gpu", 2)]));
        reclaim(&mut free, &[named("gpu", "a")], &total);
        assert_eq!(free, [named("gpu", "c"), named("gpu", "a")]);
    }

    #[test]
    fn an_exhausted_amount_is_as_good_as_absent() {
        let mut free = vec![count("ssd", 2)];
        claim(&mut free, &[count("ssd", 2)]);
        assert!(free.is_empty() && !has_enough(&free, &[count("ssd", 1)]));
        reclaim(&mut free, &[count("ssd", 2)], &[count("ssd", 2)]);
        assert_eq!(free, [count("ssd", 2)]);
    }
}

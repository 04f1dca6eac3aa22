//! Generic resources: amounts and named units of a kind (SwarmKit `api/genericresource`).

use crate::spec::{GenericResource, Units};

/// Whether `offer` has enough for every request. Only the first entry of a kind is looked at: an amount must be large
/// enough, or there must be as many named units.
pub(crate) fn has_enough(offer: &[GenericResource], requests: &[GenericResource]) -> bool {
    requests.iter().all(|request| {
        let wanted = count(request);
        match offer.iter().find(|entry| entry.kind == request.kind) {
            None => false,
            Some(GenericResource { units: Units::Count(count), .. }) => *count >= wanted,
            Some(_) => {
                let named = offer.iter().filter(|entry| entry.kind == request.kind).count();
                i64::try_from(named).is_ok_and(|named| named >= wanted)
            }
        }
    })
}

/// Takes what the requests ask for out of `offer` and says what it was: amounts as asked, named units in list order.
pub(crate) fn claim(offer: &mut Vec<GenericResource>, requests: &[GenericResource]) -> Vec<GenericResource> {
    let mut claimed = Vec::new();
    for request in requests {
        let wanted = count(request);
        let Some(first) = offer.iter().position(|entry| entry.kind == request.kind) else { continue };
        if let Units::Count(count) = &mut offer[first].units {
            *count -= wanted;
            if *count <= 0 {
                offer.remove(first);
            }
            claimed.push(GenericResource { kind: request.kind.clone(), units: Units::Count(wanted) });
            continue;
        }
        let mut left = wanted;
        let mut index = first;
        while left > 0 && index < offer.len() {
            if offer[index].kind == request.kind {
                claimed.push(offer.remove(index));
                left -= 1;
            } else {
                index += 1;
            }
        }
    }
    claimed
}

/// Takes exactly these units out of `offer`.
pub(crate) fn take(offer: &mut Vec<GenericResource>, units: &[GenericResource]) {
    for unit in units {
        match &unit.units {
            Units::Count(_) => {
                claim(offer, std::slice::from_ref(unit));
            }
            Units::Named(_) => {
                if let Some(index) = offer.iter().position(|entry| entry == unit) {
                    offer.remove(index);
                }
            }
        }
    }
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
                    Some(GenericResource { units: Units::Count(count), .. }) => *count = (*count + amount).min(limit),
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

/// Requests are amounts; a named request, which the API lets pass by mistake, asks for nothing.
fn count(request: &GenericResource) -> i64 {
    match request.units {
        Units::Count(count) => count,
        Units::Named(_) => 0,
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

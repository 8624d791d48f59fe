//! The verdict does not depend on the order in which a database returned its rows, nor on who asks.

use crate::{shop::Shop, stories};

fn reversed(mut shop: Shop) -> Shop {
    fn turn<T>(rows: &mut Option<Vec<T>>, by: usize) {
        if let Some(rows) = rows {
            rows.reverse();
            let by = by.min(rows.len());
            rows.rotate_left(by);
        }
    }
    let database = &mut shop.evidence.database;
    turn(&mut database.accounts, 1);
    turn(&mut database.entries, 3);
    turn(&mut database.leads, 2);
    turn(&mut database.purchases, 1);
    turn(&mut database.commissions, 0);
    turn(&mut database.grants, 2);
    turn(&mut database.dead_letters, 0);
    turn(&mut database.jobs, 0);
    shop.evidence.provider.sessions.reverse();
    shop.evidence.provider.events.reverse();
    shop.evidence.provider.deliveries.reverse();
    shop.evidence.email.accepted.reverse();
    shop
}

#[test]
fn the_order_of_rows_changes_nothing() {
    for story in stories::all() {
        for shop in [story.good, story.bad] {
            let before = serde_json::to_string(&shop.judged()).unwrap();
            let again = serde_json::to_string(&shop.judged()).unwrap();
            assert_eq!(before, again, "{}: judged twice", story.check);
            let after = serde_json::to_string(&reversed(shop).judged()).unwrap();
            assert_eq!(before, after, "{}: rows in another order", story.check);
        }
    }
}

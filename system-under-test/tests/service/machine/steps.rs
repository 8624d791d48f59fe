//! Which steps are tried: every kind, about few wallets and small amounts, so that they get in each other's way.

use proptest::prelude::*;
use proptest_state_machine::ReferenceStateMachine;

use super::model::{Model, Op, PARTNER, Step};

/// The model, as proptest's reference.
pub(super) struct Steps;

fn op() -> impl Strategy<Value = Op> {
    let (wallet, buyer, order, tenths) = (0..=PARTNER, 0..PARTNER, 0_usize..8, 1_i64..=10);
    prop_oneof![
        2 => (1_i64..=6).prop_map(Op::Wait),
        3 => (wallet.clone(), 1_i64..=30, 1_i64..=12)
            .prop_map(|(wallet, credits, days)| Op::Grant { wallet, credits, days }),
        6 => (buyer, 1_i64..=25).prop_map(|(wallet, price)| Op::Buy { wallet, price }),
        4 => (wallet.clone(), 1_i64..=40).prop_map(|(wallet, credits)| Op::Order { wallet, credits }),
        5 => order.clone().prop_map(|order| Op::Pay { order }),
        4 => (order.clone(), tenths.clone(), prop::bool::weighted(0.4))
            .prop_map(|(order, tenths, undone)| Op::Refund { order, tenths, undone }),
        2 => (order.clone(), tenths.clone()).prop_map(|(order, tenths)| Op::Charge { order, tenths }),
        4 => (order, tenths, any::<bool>(), prop::bool::weighted(0.4))
            .prop_map(|(order, tenths, withdrawn, reinstated)| Op::Dispute { order, tenths, withdrawn, reinstated }),
        2 => Just(Op::Sweep),
        3 => (wallet, prop_oneof![1_i64..=20, -20_i64..=-1]).prop_map(|(wallet, credits)| Op::Adjust { wallet, credits }),
    ]
}

impl ReferenceStateMachine for Steps {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::new()).boxed()
    }

    fn transitions(_: &Model) -> BoxedStrategy<Step> {
        prop_oneof![
            6 => op().prop_map(Step::One),
            2 => op().prop_map(Step::Thrice),
            2 => (op(), op()).prop_map(|(first, second)| Step::Both(first, second)),
        ]
        .boxed()
    }

    fn apply(mut state: Model, step: &Step) -> Model {
        state.apply(step);
        state
    }

    /// Two at once are about different wallets, so that no order of theirs is another story; time stands still.
    fn preconditions(state: &Model, step: &Step) -> bool {
        match step {
            Step::One(_) => true,
            Step::Thrice(op) => !matches!(op, Op::Wait(_)),
            Step::Both(first, second) => match (state.touches(first), state.touches(second)) {
                (Some(first), Some(second)) => first.iter().all(|wallet| !second.contains(wallet)),
                _ => false,
            },
        }
    }
}

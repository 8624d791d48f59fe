//! The official client against the simulator. `OVERDRAFT_STRIPE_PYTHON` names a Python that has `stripe` installed:
//! `OVERDRAFT_STRIPE_PYTHON=…/bin/python cargo test -p overdraft-faults --test providers official -- --ignored`

use overdraft_faults::stripe::Envelopes;
use serde_json::json;

use crate::support::{Api, NOW, SECRET, ms, stripe};

#[tokio::test(flavor = "multi_thread")]
#[ignore = "needs stripe-python, named by OVERDRAFT_STRIPE_PYTHON"]
async fn stripe_python_reads_everything() {
    let python = std::env::var_os("OVERDRAFT_STRIPE_PYTHON").expect("OVERDRAFT_STRIPE_PYTHON names a Python");
    let sim = stripe(1).await;
    let session = Api::of(&sim).open("buyer-1", 20).await;
    sim.pay(&session, "l", ms(0)).unwrap();
    let dispute = sim.dispute(&session, Some(60), "l", ms(0)).unwrap().dispute;
    sim.withdraw(&dispute, ms(0)).unwrap();
    sim.roll_secret("whsec_rolled_secret", true);
    let first = sim.take_due(ms(0)).remove(0);
    let other = Api::of(&sim).open("buyer-2", 20).await;
    sim.pay(&other, "l", ms(1)).unwrap();
    assert_eq!(sim.take_due(ms(1)).len(), 4);
    sim.tell_in(Envelopes::Thin);
    sim.refund(&other, None, "l", ms(2)).unwrap();
    let thin = sim.take_due(ms(2)).remove(0);
    let text = |body: &[u8]| String::from_utf8(body.to_vec()).unwrap();
    let given = json!({
        "session": session, "dispute": dispute, "accepts": [SECRET, "whsec_rolled_secret"],
        "body": text(&first.body), "header": sim.sign(&first, NOW),
        "thin_body": text(&thin.body), "thin_header": sim.sign(&thin, NOW),
    });
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/providers/official_client.py");
    let (url, given) = (sim.url(), given.to_string());
    let asked = tokio::task::spawn_blocking(move || {
        std::process::Command::new(python).args([script, &url, &given]).output().unwrap()
    });
    let told = asked.await.unwrap();
    assert!(told.status.success(), "{}{}", text(&told.stdout), text(&told.stderr));
}

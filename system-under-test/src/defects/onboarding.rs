//! Onboarding and campaigns: what a second submission, a second tick or a late step does.

use super::planted::Change::In;
use super::planted::{Family, Planted};

pub(super) const FAMILY: Family = Family { title: "Onboarding and campaigns", defects: DEFECTS };

const DEFECTS: &[Planted] = &[
    Planted {
        name: "signup-bonus-doubled",
        wrong: "The signup bonus is granted whenever the sign-up is submitted, also when it only finds the workspace \
                that it made before.",
        incident: "Referral and welcome bonuses paid per click on 'submit'.",
        caught_by: "flow.expected",
        scenario: "CF-21",
        overlay: &[In {
            function: "sign_up",
            replace: "    IF v_answer.status IS NOT NULL THEN\n",
            with: "    IF v_answer.status IS NOT NULL THEN
        PERFORM grant_credits(p_workspace, p_bonus, 'signup_bonus_' || gen_random_uuid(), p_now, 'earned',
                              p_lifetime_days) WHERE v_answer.status = 201 AND p_bonus > 0;
",
        }],
        parts: &[],
    },
    Planted {
        name: "campaign-step-sent-twice",
        wrong: "A step that is due stays due until its email was accepted, and each tick queues it under a new name: \
                while the email provider is slow or down, the recipient's emails pile up.",
        incident: "LaunchNotes: a retry sent the whole batch of emails again.",
        caught_by: "flow.expected",
        scenario: "CF-22",
        overlay: &[
            In {
                function: "advance_campaigns",
                replace: "        UPDATE campaign_recipients SET state = 'queued' WHERE id = v_due.id;\n",
                with: "",
            },
            In {
                function: "advance_campaigns",
                replace: "format('campaign_%s_%s_%s', v_due.campaign_id, v_due.step, v_due.id)",
                with: "'campaign_' || gen_random_uuid()",
            },
            In {
                function: "step_sent",
                replace: "WHERE id = p_recipient AND state = 'queued'",
                with: "WHERE id = p_recipient",
            },
        ],
        parts: &[],
    },
    Planted {
        name: "mailed-after-unsubscribe",
        wrong: "An unsubscribe is noted for campaigns to come; the sequence that the recipient is in goes on.",
        incident: "Audit finding: suppression checked when a list is imported, not when an email is sent.",
        caught_by: "flow.expected",
        scenario: "CF-22",
        overlay: &[In {
            function: "unsubscribe",
            replace: "    UPDATE campaign_recipients SET state = 'unsubscribed', due_at = NULL
    WHERE id = ANY (v_ids) AND state <> 'unsubscribed';
    UPDATE emails SET state = 'suppressed'
    WHERE recipient_id = ANY (v_ids) AND state IN ('pending', 'held') AND started_at IS NULL;
    RETURN",
            with: "    RETURN",
        }],
        parts: &[],
    },
];

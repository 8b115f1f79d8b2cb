//! The contract of the store: every rule that the trait promises, held against the store in memory and the one in PostgreSQL.

#[path = "store/bench.rs"]
#[allow(dead_code)]
mod bench;
#[path = "support/postgres.rs"]
mod postgres;

#[path = "store/acks.rs"]
mod acks;
#[path = "store/by_hand.rs"]
mod by_hand;
#[path = "store/consent.rs"]
mod consent;
#[path = "store/door.rs"]
mod door;
#[path = "store/heartbeats.rs"]
mod heartbeats;
#[path = "store/intake.rs"]
mod intake;
#[path = "store/join.rs"]
mod join;
#[path = "store/leases.rs"]
mod leases;
#[path = "store/look.rs"]
mod look;
#[path = "store/messages.rs"]
mod messages;
#[path = "store/news.rs"]
mod news;
#[path = "store/placed.rs"]
mod placed;
#[path = "store/programs.rs"]
mod programs;
#[path = "store/rounds.rs"]
mod rounds;

/// Makes each promise a test of each store.
macro_rules! contract {
    ($($room:ident: $($promise:ident)+;)+) => {
        mod on_memory {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { super::$room::$promise(super::bench::Bench::memory().await).await; })+)+
        }
        mod on_postgres {
            $($(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $promise() { super::$room::$promise(super::bench::Bench::postgres().await).await; })+)+
        }
    };
}

contract! {
    acks:
        nobody_runs_where_nobody_is_registered
        a_runner_says_what_it_runs_by_until_it_leaves
        a_gateway_is_there_for_as_long_as_it_says_so
        a_removed_namespace_is_run_by_nobody;
    programs:
        a_namespace_never_written_has_version_0
        putting_the_same_again_changes_no_version
        settings_and_suspension_change_the_version
        the_current_revision_comes_first_and_can_go_back
        a_revision_stays_while_somebody_walks_it
        a_stopped_journey_gets_nothing_and_does_nothing
        a_stopped_journey_put_again_starts_empty
        a_removed_journey_leaves_nothing_and_starts_empty
        a_removed_namespace_leaves_nothing_and_others_whole;
    consent:
        a_consent_keeps_its_state_its_confirmation_and_its_end
        a_round_knows_what_is_suppressed_when_it_decides
        the_suppression_list_is_read_in_pages_widened_and_taken_back;
    intake:
        an_event_is_accepted_once_whatever_batch_brings_it
        the_same_key_on_another_day_is_another_event
        an_event_from_the_future_happened_now
        an_unknown_customer_without_an_id_is_refused
        learning_sees_what_earlier_events_taught
        the_later_consent_holds_and_of_two_at_once_the_no
        what_follows_from_an_event_is_committed_with_it
        the_books_of_what_was_received_know_nothing_of_what_followed
        a_follower_that_is_known_already_is_left_out
        namespaces_do_not_see_each_other
        events_of_one_customer_keep_the_order_of_acceptance_under_concurrency
        accepting_and_rounds_lose_no_attribute_change
        opposite_batches_do_not_block_each_other
        quarantined_events_are_counted_until_they_are_released
        an_import_goes_on_where_it_stopped
        an_import_replaces_by_name_and_obeys_consent;
    leases:
        shards_are_divided_fairly_as_owners_come_and_go
        after_an_outage_everyone_finds_his_own_shards_again
        a_lease_that_a_clock_gave_which_was_set_back_does_not_outlast_others
        a_crashed_owner_is_taken_over_and_cannot_write_any_more
        an_epoch_grows_with_every_taking_over
        nobody_holds_shards_of_a_journey_that_is_not_there;
    heartbeats:
        a_heartbeat_of_one_to_whom_nothing_comes_tells_of_nothing
        heartbeats_keep_the_shards_for_as_long_as_they_come
        a_heartbeat_that_comes_too_late_extends_nothing
        a_heartbeat_tells_when_owners_come_and_go
        a_heartbeat_tells_of_a_registration_that_lasts_too_long
        a_heartbeat_tells_of_programs_and_of_what_nobody_was_woken_for
        the_first_wait_that_ends_is_due_next
        messages_what_stays_and_sightings_are_due_next
        who_waits_at_the_door_is_looked_at_every_second;
    look:
        the_length_of_a_chain_goes_along_with_what_changed
        a_change_is_told_to_those_who_watch_it_next_after_its_event
        a_new_customer_and_an_import_are_told_and_what_nobody_watches_is_not
        what_another_journey_sets_is_told_in_the_same_commit
        a_sighting_comes_back_when_it_is_due_and_is_forgotten_when_it_is_blank
        a_sweep_comes_to_everybody_once_and_goes_on_where_it_stopped
        a_sweep_keeps_to_the_shards_that_are_held_and_is_fenced
        who_has_ended_and_is_watched_no_more_holds_nobody_up
        two_who_become_one_are_seen_as_one;
    news:
        news_comes_to_everybody_once_in_the_order_of_acceptance_and_is_forgotten
        runners_bring_news_to_their_own_shards_and_the_last_one_forgets_it
        a_round_that_is_not_committed_has_told_nobody
        a_journey_that_is_stopped_hears_no_news_and_one_put_again_none_of_before
        a_schedule_begins_now_and_comes_once_whoever_asks;
    messages:
        only_as_many_held_messages_are_looked_at_as_there_is_room_for
        held_messages_of_one_lane_keep_none_of_another_waiting
        held_messages_come_when_they_are_due
        claims_of_a_lost_epoch_and_lost_commits_are_orphans
        outcomes_are_told_once_and_only_to_the_holder
        contacts_count_across_journeys_until_they_are_taken_back
        messages_are_found_by_their_key;
    by_hand:
        a_message_that_waits_is_found_by_its_key
        a_message_that_failed_waits_again_under_its_key
        a_message_whose_fate_is_unknown_is_uncertain_when_it_is_tried_again
        only_a_message_that_waits_is_dropped;
    placed:
        a_slot_holds_what_was_placed_until_it_is_taken_out
        what_was_dismissed_stays_and_is_not_given_again
        what_stays_is_looked_at_when_it_is_due_and_when_consent_changes
        what_stays_moves_to_the_one_who_stays
        a_removed_journey_leaves_nothing_in_a_slot;
    door:
        at_the_door_everyone_waits_for_a_place_in_the_order_of_acceptance
        runners_share_the_places_of_a_journey
        places_are_for_those_who_wait_longest_in_any_shard
        nobody_comes_in_where_the_runner_lets_nobody_in
        who_is_turned_away_is_gone_and_takes_no_place;
    join:
        events_of_either_name_reach_the_one_customer_in_order
        who_nobody_knew_is_a_name_from_the_first_event_on
        names_of_a_chain_lead_to_the_last
        a_shared_device_joins_nobody_to_anybody
        profiles_and_consents_become_one
        all_that_hangs_on_the_one_who_goes_moves
        a_journey_that_one_of_both_had_left_is_told
        two_who_came_in_by_the_same_news_keep_both_enrollments
        a_message_on_its_way_is_still_heard_of_under_the_new_name
        joins_and_events_of_both_at_once_lose_nothing;
    rounds:
        nothing_to_do_does_not_call_work
        a_round_sees_all_of_a_customer_and_writes_all_or_nothing
        a_round_reads_only_its_own_shards
        a_wait_is_due_when_its_time_has_come_and_not_while_suspended
        those_due_go_on_in_the_order_of_their_instants_though_one_shard_has_the_most
        a_limit_is_kept_and_no_kind_of_work_starves_another
        waits_on_a_revision_that_does_not_compile_starve_no_other
        a_long_inbox_of_one_customer_comes_in_parts_in_order
        an_ended_enrollment_is_read_while_it_is_watched
        nobody_enters_a_revision_that_is_gone
        a_round_is_told_that_the_journey_stands_otherwise
        a_brief_round_leaves_out_what_time_brings
        events_below_a_number_are_seen_by_a_round_of_all
        halves_of_a_hold_run_rounds_of_their_own
        what_one_round_writes_and_takes_back_is_not_there
        counts_add_up
        the_end_of_an_enrollment_is_told_to_those_who_listen
        a_backlog_says_how_much_waits
        a_backlog_is_counted_so_far_and_tells_the_oldest
        a_journey_with_more_waiting_than_so_much_is_overfull
        events_that_a_journey_could_not_apply_are_put_aside
        what_a_round_put_aside_is_put_back_into_its_journey
        waiting_ends_when_there_is_work_or_time_is_over;
}

//! The tests elsewhere that contain hostile guests, listed in the generated page.

/// Threat, file and test.
pub(super) const RELATED_TESTS: [(&str, &str, &str); 45] = [
    (
        "endless loops, in guest code and in host calls",
        "sandbox/limits.rs",
        "the_time_limit_stops_every_guest",
    ),
    (
        "CPU-heavy guests",
        "sandbox/limits.rs",
        "the_cpu_limit_stops_guests_that_compute",
    ),
    (
        "CPU-heavy guests on a core that other processes use",
        "hostile/resource_usage.rs",
        "a_guest_on_a_busy_core_gets_its_full_cpu_time",
    ),
    (
        "host memory kept for a guest: its peak, and that it is returned",
        "hostile/resource_usage.rs",
        "host_memory_per_guest_is_limited_and_returned",
    ),
    (
        "unlimited memory growth, limited to the page",
        "sandbox/limits.rs",
        "memory_is_limited",
    ),
    (
        "unlimited table growth, limited to the element",
        "sandbox/limits.rs",
        "table_growth_is_limited",
    ),
    (
        "oversized results of every shape, one of 30 GiB",
        "sandbox/output_limits.rs",
        "oversized_results_are_rejected",
    ),
    (
        "oversized error texts",
        "sandbox/output_limits.rs",
        "long_error_texts_are_truncated",
    ),
    (
        "floods of progress notifications",
        "sandbox/output_limits.rs",
        "progress_notifications_are_limited",
    ),
    (
        "log lines that imitate the host's or contain terminal escape sequences",
        "sandbox/output_limits.rs",
        "log_lines_are_limited_and_escaped",
    ),
    (
        "a client that does not read its response",
        "sandbox/output_limits.rs",
        "a_client_that_does_not_read_blocks_no_other",
    ),
    (
        "results that violate the canonical ABI",
        "sandbox/crashes.rs",
        "crashes_and_malformed_results_fail_the_call_only",
    ),
    (
        "malformed definitions, and definitions that never return",
        "sandbox/definitions.rs",
        "failing_definitions_do_not_block_startup",
    ),
    (
        "links out of a granted directory, `/proc`, devices, FIFOs, sockets",
        "sandbox/dirs.rs",
        "reads_stay_inside_a_read_only_directory",
    ),
    (
        "links made by a guest in order to write elsewhere",
        "sandbox/dirs.rs",
        "writes_stay_inside_a_writable_directory",
    ),
    (
        "hard links between granted directories",
        "sandbox/dirs.rs",
        "hard_links_between_directories_are_rejected",
    ),
    (
        "write access to files that the host itself uses",
        "sandbox/protected_paths.rs",
        "writable_grants_over_host_files_are_rejected",
    ),
    (
        "input schemas whose validation takes exponential time",
        "hostile/schemas.rs",
        "exponential_input_schemas_do_not_delay_other_calls",
    ),
    (
        "output schemas whose validation takes exponential time",
        "hostile/schemas.rs",
        "exponential_output_schemas_do_not_delay_other_calls",
    ),
    (
        "exhaustion of open files",
        "hostile/limits.rs",
        "open_files_are_limited",
    ),
    (
        "listings of large directories",
        "sandbox/dirs_limits.rs",
        "open_directory_listings_are_limited",
    ),
    (
        "exhaustion of file streams",
        "sandbox/dirs_limits.rs",
        "open_file_streams_are_limited",
    ),
    (
        "files larger than the limit of the process",
        "sandbox/dirs_limits.rs",
        "exceeding_the_file_size_limit_fails_the_operation_only",
    ),
    (
        "file systems that hang",
        "disks.rs",
        "calls_blocked_on_a_disk_end_at_their_time_limit",
    ),
    (
        "exhaustion of sockets",
        "hostile/limits.rs",
        "sockets_created_by_a_call_are_limited",
    ),
    (
        "addresses in every notation, and paths with `..`",
        "sandbox/egress.rs",
        "requests_must_match_a_granted_entry",
    ),
    (
        "redirects to other origins",
        "sandbox/egress.rs",
        "redirects_are_not_followed",
    ),
    (
        "headers that frame a message or name its host",
        "sandbox/egress.rs",
        "connection_headers_are_forbidden",
    ),
    (
        "oversized bodies, headers and URLs",
        "sandbox/egress_limits.rs",
        "oversized_bodies_headers_and_uris_are_rejected",
    ),
    (
        "too many requests in a call",
        "sandbox/egress_limits.rs",
        "requests_per_call_are_limited",
    ),
    (
        "servers that never answer",
        "sandbox/egress_limits.rs",
        "request_timeouts_are_enforced",
    ),
    (
        "connections to other endpoints, listening sockets, name lookups",
        "sandbox/sockets.rs",
        "only_granted_endpoints_can_be_reached",
    ),
    (
        "access to key-value data of another caller",
        "sandbox/keyvalue.rs",
        "data_of_callers_is_isolated",
    ),
    (
        "access to key-value data of another component",
        "sandbox/keyvalue.rs",
        "data_of_components_is_isolated",
    ),
    (
        "endless loops in function components",
        "functions/call_limits.rs",
        "time_limit_stops_functions",
    ),
    (
        "arguments that are small as JSON and large in the host",
        "functions/amplification.rs",
        "long_field_names_count_towards_the_value_limit",
    ),
    (
        "enums with thousands of cases, in a hundred thousand values",
        "functions/amplification.rs",
        "cases_are_looked_up_in_constant_time",
    ),
    (
        "millions of flags in a result",
        "functions/amplification.rs",
        "memory_for_flags_is_bounded_by_the_output_limit",
    ),
    (
        "documentation that is repeated in a thousand places of a schema",
        "functions/amplification.rs",
        "repeated_documentation_of_a_type_is_limited",
    ),
    (
        "one caller that makes too many calls",
        "hostile/limits.rs",
        "concurrent_calls_of_one_caller_are_limited",
    ),
    (
        "guests that are cancelled while they block",
        "hostile/cancellation.rs",
        "disconnects_and_cancellations_stop_running_calls",
    ),
    (
        "a part of a composition that spins, floods memory or recurses",
        "compositions/calls.rs",
        "parts_are_stopped_at_the_limits_of_the_call",
    ),
    (
        "HTTP handlers that spin, crash, flood memory or never answer",
        "mounts/limits.rs",
        "handlers_that_give_no_response_are_answered_for",
    ),
    (
        "HTTP handlers whose response never ends",
        "mounts/limits.rs",
        "responses_that_never_end_are_cut_off",
    ),
    (
        "constructors that spin, destructors that crash",
        "functions/resources.rs",
        "constructors_and_destructors_run_in_the_sandbox",
    ),
];

*** Settings ***
Documentation    The mirror dies, hangs, is cut off or slow; the proxy restarts. Clients of the primary must not notice
...              the first four, and nobody may be told afterwards that all was mirrored.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:chaos    system:pgdog


*** Test Cases ***
A mirror killed and back under load costs counted errors, no client's time, and no restart of the proxy
    [Tags]    PC-01
    ${proxy} =    Given A Proxy Mirrors
    ${load} =    And Clients Write All The Time    ${proxy}    ${WRITE_RATE}
    When The Mirror Is Killed And Started Again    ${load}
    Then Mirroring Should Resume Within    ${load}    20 seconds
    And Clients Should Have Been As Fast As Before    ${load}
    And Errors Should Have Been Counted Meanwhile    ${load}

A mirror frozen, cut off or slow costs no client's time and no restart of the proxy
    [Tags]    PC-02
    ${proxy} =    Given A Proxy Mirrors    query_timeout=1 second
    ${load} =    And Clients Write All The Time    ${proxy}    ${WRITE_RATE}
    When The Mirror Is Frozen Cut Off And Slow In Turn    ${load}
    Then Mirroring Should Resume Within    ${load}    20 seconds
    And Clients Should Have Been As Fast As Before    ${load}
    And Contents Should Be Equal Or Announced    ${proxy}

After a restart clients reconnect, counters begin at zero, and what was counted over both lives is right
    [Tags]    PC-03
    ${proxy} =    Given The Proxy Of The Environment
    When Client Asks    ${proxy}    60 queries
    And The Proxy Is Stopped And Started Again    ${proxy}
    Then Counters Should Have Begun At Zero    ${proxy}
    When Client Asks    ${proxy}    30 queries
    Then Counters Over Both Lives Should Show    ${proxy}    attempted=90    reset=1    within=5 seconds

An outage within a transaction leaves no half transaction on the mirror, then or later
    [Tags]    PC-04
    ${proxy} =    Given A Proxy Mirrors
    ${clients} =    When Clients Commit Long Transactions    ${proxy}    clients=4
    And The Mirror Is Killed And Started Again    ${clients}
    Then Mirroring Should Resume Within    ${clients}    20 seconds
    And Mirror Should Hold Only Whole Transactions    ${clients}
    And Contents Should Be Equal Or Announced    ${proxy}

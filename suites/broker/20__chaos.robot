*** Settings ***
Documentation    Brokers and clients that stop, die, freeze or lose their way, and peers that send anything. Clients
...              reconnect and resubscribe by the rule of MYC-005, beginning with 50 ms instead of a second.

Resource         ../../resources/broker.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:chaos    system:broker


*** Test Cases ***
Clients are back within 2 seconds of a broker's restart, and the next messages come in order within 5 seconds each
    [Documentation]    The seed sleeps two seconds, here clients are waited for (C-07); it does not declare the topic
    ...    (C-08); and the tickets' reconnecting never opens a socket (C-20): here clients come back by themselves.
    [Tags]    MC-01
    ${exchange} =    Given A Producer And A Consumer That Reconnect
    ${before} =    And Seed Messages Are Published    ${exchange}    first=0    last=99
    When Broker Is Stopped And Started Again    exchange=${exchange}
    Then Clients Should Be Back Within    ${exchange}    2 seconds    since=the broker answered
    ${after} =    When Seed Messages Are Published    ${exchange}    first=100    last=199
    Then Seed Messages Should Have Come In Order
    ...    exchange=${exchange}    before=${before}    after=${after}    within=5 seconds

When a broker is killed under load nothing acknowledged before a drain point or after the recovery is lost
    [Documentation]    Nothing is kept on disk: zero loss in a crash cannot be had (C-13). What the gap cost is counted
    ...    and told, nothing comes twice, and order is kept through it.
    [Tags]    MC-02
    ${load} =    Given Producers Under Load That Reconnect    producers=2    consumers=2
    And Everything Is Delivered At A Drain Point    ${load}
    When Broker Is Killed Under Load And Started Again    load=${load}
    Then Nothing Acknowledged Should Be Lost Before The Drain Point Or After The Recovery    ${load}
    And Nothing Should Have Come Twice Or Out Of Order    ${load}
    And Gap Should Have Been Noticed And Told    ${load}

A producer killed in a frame and consumers killed in a delivery disturb nobody, and leave nothing after 5 seconds
    [Documentation]    Isolation of producers and consumers from each other; loss and isolation exclude each other only
    ...    where a topic blocks its publishers (C-12).
    [Tags]    MC-03
    ${crowd} =    Given Clients Exchange Messages
    When A Producer Is Killed In The Middle Of A Frame    ${crowd}
    And A Consumer Is Killed In The Middle Of A Delivery    ${crowd}
    And A Worker Of A Queue Is Killed In The Middle Of A Delivery    ${crowd}
    Then Everything The Dead Held Should Be Free Within    ${crowd}    5 seconds
    And Others Should Not Have Been Disturbed    ${crowd}    longest_silence=2 seconds

A broker survives being frozen, a cut link, a flood of 300 connections and 10 000 random and truncated frames
    [Documentation]    An oversize prefix cannot be skipped over, so that its connection is closed (section 1.1 of the
    ...    contract). All the time clients exchange messages, of which none may be lost.
    [Tags]    MC-04
    ${siege} =    Given Clients Exchange Messages Directly And Through A Link
    When Broker Is Frozen And Goes On    siege=${siege}
    And Link Of A Client Is Cut And Healed    siege=${siege}
    And Clients Connect At Once    ${siege}    number=300
    And Damaged Frames Are Sent    ${siege}    number=10000
    Then Broker Should Have Survived And Lost Nothing    ${siege}    longest_silence=5 seconds

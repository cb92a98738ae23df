*** Settings ***
Documentation     What the broker does when it is used for long, again and again, and by readers that do not keep up.
...               Whatever was sent is accounted for, message by message.

Resource          ../../resources/broker.resource

Suite Teardown    Dismiss The Load Driver
Test Teardown     Everything The Test Began Is Ended

Test Tags         phase:stress    system:broker


*** Test Cases ***
Of 500 000 messages of 512 B per second at least 95 % are carried all the time, and 100 % of those sent are delivered
    [Documentation]    A thousand bursts a second, since no timer is finer (C-05); how late the generator was and its
    ...    longest burst are reported. What is on its way at the end has a deadline to arrive (C-06).
    [Tags]    MS-01
    ${load} =    When Messages Are Offered For    ${STRESS_DURATION}    rate=500000/s    size=512
    Then Every Message That Was Sent Should Have Come    ${load}
    And Rate Should Have Been Held    ${load}    95

Memory grows by less than 100 MB from round 2 to 10 of 100 000 messages of 1 KiB, and does not rise from round to round
    [Documentation]    Messages are read while they are sent, and rounds are compared with the second (C-14).
    [Tags]    MS-02
    ${rounds} =    When Messages Are Passed On In Rounds    rounds=10    messages=100000    size=1024
    Then Every Round Should Have Been Complete    ${rounds}
    And Memory Should Have Grown By Less Than    100    ${rounds}
    And Memory Should Not Rise From Round To Round    ${rounds}

Slow readers cost less than 50 MB, know exactly what they missed or make their publisher wait, and disturb nobody else
    [Documentation]    A topic either drops or blocks: no loss and no waiting exclude each other (C-12). Others means
    ...    the prompt reader beside them where the oldest is dropped, and any reader of another topic.
    [Tags]    MS-03
    ${dropping} =    When Readers Stall And Trickle Where The Oldest Is Dropped    4 seconds
    ${blocking} =    And A Reader Stalls Where The Publisher Has To Wait    3 seconds
    Then Slow Readers Should Have Cost Less Than    50    ${dropping}    ${blocking}
    And Others Should Have Had Full Speed    ${dropping}    ${blocking}
    And Slow Readers Should Know Exactly What They Missed    ${dropping}
    And Publisher Should Have Waited And Nothing Been Lost    ${blocking}

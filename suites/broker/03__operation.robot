*** Settings ***
Documentation    Starting, configuring, watching and stopping a broker. Each test has brokers of its own.

Resource         ../../resources/broker.resource

Test Teardown    Everything The Test Began Is Ended

Test Tags        phase:integration    system:broker


*** Test Cases ***
A broker keeps its socket to itself for as long as it runs and loses no accepted message when it is told to end
    [Documentation]    MYC-002 deletes whatever stands at the path, MYC-003 aborts what it wants to lose nothing of
    ...    (C-25); section 2.9 of the contract decides what SIGTERM does.
    [Tags]    MB-07
    ${broker} =    Given A Broker Of Its Own
    Then Second Broker On Its Socket Should Be Refused Within    ${broker}    2 seconds
    ${ended} =    When Broker Is Told To End While Messages Wait    ${broker}
    Then Every Accepted Message Should Have Been Delivered    ${ended}
    And Broker Should Have Ended In Good Order    ended=${ended}

Each of 16 wrong files is refused within 2 seconds by the name of its key, and a reload loses no message
    [Documentation]    Variables are a criterion without names; reload is a criterion, a stretch goal, and dropped
    ...    (C-25). Section 2.6 of the contract decides on both.
    [Tags]    MB-08
    Given Wrong Files Should Be Refused    files=16    within=2 seconds
    And Environment Variables Should Override The File
    ${broker} =    And A Broker Under Traffic
    When Reload Adds A Topic And Raises A Limit    ${broker}
    And Wrong File Or Removed Topic Should Change Nothing    ${broker}
    Then Nothing Should Have Been Lost And No Connection Closed    ${broker}    messages=200

At 7 quiet moments what was published is delivered, dropped or buffered, to the message
    [Documentation]    The tickets name one counter and no way to read it; section 2.8 of the contract decides. A reader
    ...    that is too slow loses the oldest and is told how many (C-12).
    [Tags]    MB-09
    ${books} =    Given A Broker With Small Buffers
    When Everything Is Done That Counts    books=${books}
    Then Everything Should Be Accounted For    ${books}    moments=7

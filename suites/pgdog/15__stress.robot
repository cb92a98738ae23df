*** Settings ***
Documentation    Load that lasts, and many clients at once.

Resource         ../../resources/pgdog.resource

Test Teardown    Everything Is Healed And Ended

Test Tags        phase:stress    system:pgdog


*** Test Cases ***
Under lasting load neither memory nor sessions grow, and the mirror keeps up
    [Tags]    PS-01
    ${proxy} =    Given A Proxy Mirrors
    ${load} =    When Clients Come And Go    ${proxy}    clients=8    rate=400/s    duration=${LASTING_DURATION}
    Then Memory Of The Proxy Should Not Rise    ${load}
    And Sessions Should Not Have Grown    ${load}
    And Mirror Should Be Safe To Cut Over To    ${proxy}

Of 100 clients at once each gets right answers, and counts are exact
    [Tags]    PS-02
    ${proxy} =    Given A Proxy Mirrors    connect_timeout=5 seconds
    When Clients Ask At Once    ${proxy}    clients=100    queries=20
    Then Answers Should Have Been Right    ${proxy}
    And Counters Should Show    ${proxy}    attempted=2000    mirrored=2000    within=30 seconds
    And Mirror Should Hold What Was Acknowledged    ${proxy}    within=10 seconds

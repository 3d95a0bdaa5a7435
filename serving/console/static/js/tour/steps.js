/** The five steps of the tour: where each is, what it points at, and what it says. */

import { alertLink } from "../lib/words.js";

const titled = (id) => `section[aria-labelledby="panel-${id}-title"]`;
const onAlert = (tour) => (tour.alert ? alertLink(tour.alert) : null);

/** place(tour): address of the page, null where there is no alert to show. points: what is lit, the first that is there. */
export const STEPS = [
  {
    title: "The queue",
    place: () => "/console/",
    points: [".place"],
    says: [
      "Every line is one user, host or address on one day, the oddest of the newest day first. The budget is about ten a day.",
      "Risk 9 means that of some 8,000 quiet days one looks like this by chance. Walk through them with j and k, open one with Enter.",
    ],
  },
  {
    title: "What happened",
    place: onAlert,
    points: [".panel.lead"],
    says: [
      "An alert begins with its story: what this entity did that day that it does not do, in the order of time.",
      "Where the findings fit techniques of ATT&CK, they are named. Alerts that belong together are one incident, linked above.",
    ],
  },
  {
    title: "Why, and what is usual",
    place: onAlert,
    points: [titled("why-the-risk"), titled("usual-and-now")],
    says: [
      "Each finding adds its bar, and the points add up to the risk: nothing is hidden in a score.",
      "Below, usual and now stand side by side, for the entity and for its peers. The timeline, the hours and the records follow.",
    ],
  },
  {
    title: "Say what it was",
    place: onAlert,
    points: [".panel.work"],
    says: [
      "A verdict is one key: 1 for a false positive, 2 for a true one, up to 7. z takes the last one back.",
      "If it is fine for a while, x makes an exception. It shows first what it would hide, and ends by itself.",
    ],
  },
  {
    title: "Where it went",
    place: () => "/console/models",
    points: [titled("what-feedback-changed"), "main .panel"],
    says: [
      "What you say is learned: Models shows what verdicts and exceptions changed, and how often each kind of finding was right.",
      "Operations shows that no event was lost. The keys of every page are under ?, and this tour with them.",
    ],
  },
];

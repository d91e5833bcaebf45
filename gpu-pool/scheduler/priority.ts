export { PRIORITY_CLASSES, type PriorityClass } from "../../shared/protocol/priority.ts";

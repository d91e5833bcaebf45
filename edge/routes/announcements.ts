/** Where serving processes say that they are there. Not for callers: what is not signed with the pool's key is refused unread. */
import { WarmgateError } from "../../shared/protocol/errors.ts";
import { ANNOUNCEMENTS_PATH, LARGEST_ANNOUNCEMENT } from "../../shared/protocol/pool-node.ts";
import { readSettings } from "../environment.ts";
import { readCapped } from "../gate/body.ts";
import { reply } from "../gate/reply.ts";
import { signatureOf, verifyAnnouncement } from "../gate/verify-announcement.ts";
import { POOL_DIRECTORY_NAME } from "../objects/pool-directory.ts";
import { type EdgeApp, recordOf } from "./route.ts";

export function addAnnouncementRoute(app: EdgeApp): void {
  app.post(ANNOUNCEMENTS_PATH, async (context) => {
    const record = recordOf(context);
    record.route = ANNOUNCEMENTS_PATH;
    record.silent = true;
    const settings = await readSettings(context.env);
    const signature = signatureOf(context.req.header("authorization") ?? null, settings, Date.now());
    const tooLarge = () =>
      new WarmgateError("body_too_large", `an announcement may have ${LARGEST_ANNOUNCEMENT} bytes at the most`);
    const body = await readCapped(context.req.raw, LARGEST_ANNOUNCEMENT, undefined, tooLarge);
    const announcement = await verifyAnnouncement(signature, body);
    const answer = await context.env.POOL_DIRECTORY.getByName(POOL_DIRECTORY_NAME).announce(announcement);
    return reply({ body: new TextEncoder().encode(JSON.stringify(answer)) }, record);
  });
}

/* SPDX-License-Identifier: GPL-3.0-or-later */
/* handlers: what web/routes.c points to; each in the api_<noun>.c of its noun. Thread: loop. */

#pragma once

struct call;

/* api_health.c */
void api_healthz(struct call *c);
void api_readyz(struct call *c);
void api_start(struct call *c);
void api_openapi(struct call *c);

/* api_account.c */
void api_setup(struct call *c);
void api_login(struct call *c);
void api_logout(struct call *c);
void api_me(struct call *c);
void api_me_password(struct call *c);

/* api_user.c */
void api_users(struct call *c);
void api_user_add(struct call *c);
void api_user_change(struct call *c);
void api_user_remove(struct call *c);
void api_keys(struct call *c);
void api_key_add(struct call *c);
void api_key_remove(struct call *c);
void api_audit(struct call *c);

/* api_printer.c */
void api_printers(struct call *c);
void api_printer_add(struct call *c);
void api_printer(struct call *c);
void api_printer_remove(struct call *c);
void api_printer_raw(struct call *c);
void api_printer_command(struct call *c);
void api_printer_session(struct call *c);
void api_printer_doctor(struct call *c);
void api_printer_certificate(struct call *c);
void api_printer_pin(struct call *c);
void api_discover(struct call *c);
void api_pair(struct call *c);
void api_pairing(struct call *c);
void api_unpair(struct call *c);

/* api_camera.c */
void api_camera_add(struct call *c);
void api_camera_change(struct call *c);
void api_camera_remove(struct call *c);
void api_camera_settings(struct call *c);
void api_camera_controls(struct call *c);
void api_camera_control(struct call *c);
void api_devices(struct call *c);

/* api_rig.c */
void api_rigs(struct call *c);
void api_rig(struct call *c);
void api_rig_picture(struct call *c);
void api_rig_news(struct call *c);
void api_rig_code(struct call *c);
void api_rig_change(struct call *c);
void api_rig_revoke(struct call *c);
void api_rig_order(struct call *c);
void api_rig_pair(struct call *c);
void api_rig_link(struct call *c);

/* api_socketio.c */
void socketio_login_page(struct call *c);
void socketio_login(struct call *c);
void socketio_login_api(struct call *c);
void socketio_config(struct call *c);
void socketio_ask(struct call *c);

/* api_token.c */
void api_tokens(struct call *c);
void api_token_add(struct call *c);
void api_token_remove(struct call *c);

/* compat.c */
void compat_snapshot(struct call *c);
void compat_stream(struct call *c);
void compat_action(struct call *c);
void compat_hls(struct call *c);
void compat_state(struct call *c);
void compat_status(struct call *c);
void compat_input(struct call *c);
void compat_program(struct call *c);
void compat_streams(struct call *c);

/* wall.c */
void api_wall(struct call *c);

/* live.c, still.c */
void api_cameras(struct call *c);
void api_camera_snapshot(struct call *c);
void api_camera_stream(struct call *c);
void api_camera_test(struct call *c);
void api_camera_try(struct call *c);

/* video.c */
void api_camera_video(struct call *c);
void api_camera_hls(struct call *c);

/* api_session.c */
void api_sessions(struct call *c);
void api_session(struct call *c);
void api_session_frames(struct call *c);
void api_session_frame(struct call *c);
void api_session_render(struct call *c);
void api_session_remove(struct call *c);

/* api_capture.c */
void api_capture_plan(struct call *c);
void api_capture_change(struct call *c);
void api_capture_preview(struct call *c);
void api_capture_order(struct call *c);
void api_captures(struct call *c);
void api_captures_remove(struct call *c);
void api_capture(struct call *c);
void api_capture_remove(struct call *c);
void api_capture_picture(struct call *c);
void api_capture_metadata(struct call *c);
/* api_archive.c */
void api_capture_archive(struct call *c);

/* api_film.c */
void api_films(struct call *c);
void api_film(struct call *c);
void api_film_remove(struct call *c);
void api_film_video(struct call *c);
void api_film_poster(struct call *c);

/* api_record.c */
void api_printer_layers(struct call *c);
void api_jobs(struct call *c);
void api_notices(struct call *c);

/* api_snippet.c */
void api_snippets(struct call *c);

/* api_storage.c */
void api_storage(struct call *c);

/* api_environment.c */
void api_environment(struct call *c);
void api_environment_add(struct call *c);
void api_environment_remove(struct call *c);
void api_environment_history(struct call *c);
void api_panel(struct call *c);
void api_panel_click(struct call *c);
void api_panel_press(struct call *c);

/* api_pull.c */
void api_pull(struct call *c);
void api_pull_now(struct call *c);

/* api_backup.c, api_restore.c */
void api_backup(struct call *c);
void api_restore_begin(struct call *c);
void api_restore_piece(struct call *c);
void api_restore_apply(struct call *c);

/* push.c */
void api_live(struct call *c);

/* assets.c */
void page_asset(struct call *c);
